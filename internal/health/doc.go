// Package health serves GET /health, which says that the process answers.
package health
