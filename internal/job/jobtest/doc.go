// Package jobtest is what every job.Starter must do, as a suite.
//
//	jobtest.Run(t, func(t, work) job.Starter { … })   one call for each adapter
package jobtest
