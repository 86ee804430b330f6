package progress

import (
	"fmt"
	"slices"
)

// JobState says how far a job is. The database, the commands and their JSON use
// the same words.
type JobState string

// The states. A job is queued, then running, then one of the others for good.
const (
	JobQueued    JobState = "queued"
	JobRunning   JobState = "running"
	JobDone      JobState = "done"
	JobFailed    JobState = "failed"
	JobCancelled JobState = "cancelled"
)

// JobStates lists them.
func JobStates() []JobState {
	return []JobState{JobQueued, JobRunning, JobDone, JobFailed, JobCancelled}
}

// ParseJobState reads a state as it is stored.
func ParseJobState(s string) (JobState, error) {
	if state := JobState(s); slices.Contains(JobStates(), state) {
		return state, nil
	}
	return "", fmt.Errorf("unknown job state %q", s)
}

// String is the state as it is stored and shown.
func (s JobState) String() string { return string(s) }

// Finished reports whether nothing happens to the job any more.
func (s JobState) Finished() bool { return s != JobQueued && s != JobRunning }
