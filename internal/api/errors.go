package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"muster/internal/blob"
	"muster/internal/org"
	"muster/internal/table"
)

// Kind says what went wrong, of a closed set that clients may switch on.
type Kind string

const (
	KindInvalid         Kind = "invalid"
	KindUnauthenticated Kind = "unauthenticated"
	KindForbidden       Kind = "forbidden"
	KindNotFound        Kind = "not_found"
	KindGone            Kind = "gone"
	KindTooLarge        Kind = "too_large"
	KindPaymentRequired Kind = "payment_required"
	KindBusy            Kind = "busy"
	KindInProgress      Kind = "in_progress"
	KindConflict        Kind = "conflict"
	KindTooManyRemovals Kind = "too_many_removals"
	KindCancelled       Kind = "cancelled"
	KindRateLimited     Kind = "rate_limited"
	KindUnavailable     Kind = "unavailable"
	KindInternal        Kind = "internal"
)

// status is the one mapping of kinds to HTTP.
func (k Kind) status() int {
	switch k {
	case KindInvalid:
		return http.StatusBadRequest
	case KindUnauthenticated:
		return http.StatusUnauthorized
	case KindPaymentRequired:
		return http.StatusPaymentRequired
	case KindForbidden:
		return http.StatusForbidden
	case KindNotFound:
		return http.StatusNotFound
	case KindBusy, KindInProgress, KindConflict, KindTooManyRemovals, KindCancelled:
		return http.StatusConflict
	case KindGone:
		return http.StatusGone
	case KindTooLarge:
		return http.StatusRequestEntityTooLarge
	case KindRateLimited:
		return http.StatusTooManyRequests
	case KindUnavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// Fault is one thing that is wrong with a request. Pointer is a JSON pointer
// (RFC 6901) into the body, or the place and name of a parameter, such as
// query.limit. Detail says what is expected and never repeats what was sent: it
// may have been a credential.
//
// A *Fault is an error, so that a type that reads itself from JSON or from text,
// and a huma.Resolver, can say what is wrong in its own words (the place is added
// to it); of any other error of theirs nothing is shown.
type Fault struct {
	Pointer string `json:"pointer"`
	Detail  string `json:"detail"`
}

// Error has a form that faultOf knows again: huma keeps only an error's text.
func (f *Fault) Error() string { return mark + f.Pointer + mark + f.Detail }

const mark = "\x1f"

// JobRef names the job that holds an integration.
type JobRef struct {
	ID        string    `json:"id"`
	Status    string    `json:"status"`
	StartedBy string    `json:"started_by"` // file, trigger:<id> or fire:<id>
	StartedAt time.Time `json:"started_at,omitzero"`
}

// Removals are the numbers that the removal guard judged.
type Removals struct {
	WouldRemove int `json:"would_remove"`
	Live        int `json:"live"`
}

// Error is an error with a public half (kind, message, faults, …), which the
// client reads, and a private one (its cause), which is only logged.
type Error struct {
	kind       Kind
	message    string
	faults     []Fault
	cause      error
	job        *JobRef
	leaseUntil time.Time
	removals   *Removals
	retryAfter time.Duration // 0: none
}

// Error is for logs: the public message and the cause.
func (e *Error) Error() string {
	if e.cause == nil {
		return string(e.kind) + ": " + e.message
	}
	return fmt.Sprintf("%s: %s: %v", e.kind, e.message, e.cause)
}

func (e *Error) Unwrap() error { return e.cause }

// Kind is the kind of the error.
func (e *Error) Kind() Kind { return e.kind }

// Because notes the cause for the log and returns e.
func (e *Error) Because(cause error) *Error {
	e.cause = cause
	return e
}

// Retry makes the answer carry Retry-After and returns e.
func (e *Error) Retry(after time.Duration) *Error {
	e.retryAfter = max(after, time.Second)
	return e
}

// Invalid: 400, the request itself is at fault; the same again will be too.
func Invalid(message string, faults ...Fault) *Error {
	return &Error{kind: KindInvalid, message: message, faults: faults}
}

// Unauthenticated: 401, no key, or none that we know.
func Unauthenticated(message string) *Error {
	return &Error{kind: KindUnauthenticated, message: message}
}

// Forbidden: 403, the key is good and its role is not.
func Forbidden(message string) *Error { return &Error{kind: KindForbidden, message: message} }

// NotFound: 404, also for what belongs to another org.
func NotFound(message string) *Error { return &Error{kind: KindNotFound, message: message} }

// Gone: 410, it was there and will not come back; the message says what to do.
func Gone(message string) *Error { return &Error{kind: KindGone, message: message} }

// TooLarge: 413; the message names the limit and the way around it.
func TooLarge(message string) *Error { return &Error{kind: KindTooLarge, message: message} }

// PaymentRequired: 402.
func PaymentRequired(message string) *Error {
	return &Error{kind: KindPaymentRequired, message: message}
}

// Busy: 409, another job has the integration until expires at the latest, unless
// its lease is renewed; zero: it had it, a moment ago. The answer carries both, and
// Retry-After.
func Busy(job JobRef, expires time.Time) *Error {
	return &Error{kind: KindBusy, message: "another sync of this integration is running; try again later", job: &job, leaseUntil: expires}
}

// InProgress: 409, the same request, by its idempotency key, is being worked on.
func InProgress(message string) *Error {
	return &Error{kind: KindInProgress, message: message, retryAfter: time.Second}
}

// Conflict: 409, what is there does not allow it.
func Conflict(message string) *Error { return &Error{kind: KindConflict, message: message} }

// TooManyRemovals: 409, the removal guard stopped the run before its commit.
func TooManyRemovals(message string, r Removals) *Error {
	return &Error{kind: KindTooManyRemovals, message: message, removals: &r}
}

// Cancelled: 409, somebody cancelled the job that the request was waiting for.
func Cancelled(message string) *Error { return &Error{kind: KindCancelled, message: message} }

// RateLimited: 429, with Retry-After.
func RateLimited(message string, retryAfter time.Duration) *Error {
	return &Error{kind: KindRateLimited, message: message, retryAfter: max(retryAfter, time.Second)}
}

// Unavailable: 503, with Retry-After; trying again may help.
func Unavailable(message string) *Error {
	return &Error{kind: KindUnavailable, message: message, retryAfter: time.Second}
}

// ForJob makes the answer to err carry job_id: any error, once a job exists that
// the client may ask about. nil stays nil.
func ForJob(err error, jobID string) error {
	if err == nil {
		return nil
	}
	return &jobError{err, jobID}
}

type jobError struct {
	error
	job string
}

func (e *jobError) Unwrap() error { return e.error }

const (
	unavailableText = "a service that this needs did not answer in time; try again"
	internalText    = "something went wrong on our side; the request id leads to what"
	keyText         = "send an API key in the header Authorization: Bearer <key>; this one is missing, unknown or revoked"
)

// public is the one place where any Go error becomes what a client may see.
func public(err error) *Error {
	var e *Error
	var spent *org.Spent
	switch {
	case errors.As(err, &e):
		return e
	case errors.As(err, &spent):
		return PaymentRequired(spent.Error()).Because(err)
	case errors.Is(err, org.ErrUnknownKey):
		return Unauthenticated(keyText)
	case errors.Is(err, table.ErrUnavailable), errors.Is(err, blob.ErrUnavailable),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return Unavailable(unavailableText).Because(err)
	}
	return (&Error{kind: KindInternal, message: internalText}).Because(err)
}
