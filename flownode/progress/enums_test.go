package progress

import "testing"

// TestStoredWords: the words that tables and commands use read back as what they
// were, and no other word does.
func TestStoredWords(t *testing.T) {
	for _, s := range JobStates() {
		if got, err := ParseJobState(s.String()); err != nil || got != s {
			t.Errorf("%s was read back as %s: %v", s, got, err)
		}
	}
	for _, r := range Reasons() {
		if got, err := ParseReason(r.String()); err != nil || got != r {
			t.Errorf("%s was read back as %s: %v", r, got, err)
		}
	}
	if s, err := ParseJobState("lost"); err == nil {
		t.Errorf("lost was read as the state %s", s)
	}
	if r, err := ParseReason("mood"); err == nil {
		t.Errorf("mood was read as the reason %s", r)
	}
	if JobRunning.Finished() || JobQueued.Finished() || !JobCancelled.Finished() || !JobFailed.Finished() || !JobDone.Finished() {
		t.Error("queued and running jobs alone are unfinished")
	}
}
