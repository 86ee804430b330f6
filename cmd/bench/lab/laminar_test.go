package lab

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPasswordStaysOffCommandLines runs a program in Laminar's place that writes
// down its arguments and the database's URL from its environment.
func TestPasswordStaysOffCommandLines(t *testing.T) {
	const url = "postgres://laminar:secret@127.0.0.1/bench"
	dir := t.TempDir()
	program := filepath.Join(dir, "laminar")
	text := "#!/bin/sh\necho \"$LAMINAR_DATABASE_URL\" \"$@\"\n"
	if err := os.WriteFile(program, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	l := &Lab{Dir: dir, Tools: Tools{Laminar: program}}
	p, err := l.LaunchLaminar(&Database{lab: l, URL: url}, "flows: []")
	if err != nil {
		t.Fatal(err)
	}
	if err := <-p.ended; err != nil {
		t.Fatal(err)
	}
	if got, want := p.LastWords(), url+" serve "; !strings.HasPrefix(got, want) || strings.Contains(got[len(want):], "secret") {
		t.Errorf("serve has the URL and the arguments %q", got)
	}
	ran, err := p.Run(t.Context(), "flow", "delete", "a")
	if err != nil {
		t.Fatal(err)
	}
	if want := url + " flow delete a\n"; ran != want {
		t.Errorf("a command has the URL and the arguments %q, want %q", ran, want)
	}
}
