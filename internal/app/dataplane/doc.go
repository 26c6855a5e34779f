// Package dataplane has the endpoints and workers that open a roster, apart from
// package app for the size of what they link: Parquet.
//
//	App ─► Syncer ─┬─ PutServicesSyncCustom    a file, inside its request
//	               ├─ Sync                     the worker: starts and ticks
//	               └─ Rosters ─► GetAppsIdappUsers, GetApps, … what reads one
//
// It also says what a sync of today reads and serves: a file input reads its
// upload, and no integration has targets or a schedule's source yet.
package dataplane
