package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestVersion(t *testing.T) {
	for _, args := range [][]string{{"version"}, {"--version"}, {"-v"}} {
		code, stdout, stderr := invoke(t.Context(), "", args...)
		if code != exitOK || !strings.HasPrefix(stdout, "laminar devel") || !strings.HasSuffix(stdout, " "+runtime.Version()+"\n") {
			t.Errorf("laminar %v: exit code %d, %q %q", args, code, stdout, stderr)
		}
	}
	version, commit = "1.2.3", "abc1234+"
	defer func() { version, commit = "devel", "" }()
	if want := "laminar 1.2.3 (abc1234+) " + runtime.Version(); versionText() != want {
		t.Errorf("version is %q, want %q", versionText(), want)
	}
	if v := buildVersion(); v.Commit != "abc1234" || !v.Modified {
		t.Errorf("version is %+v", v)
	}
}

// Every command that the help lists has a man page, which says when it was made
// only if it is told.
func TestManPages(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1795687200")
	dir := t.TempDir()
	if code, _, stderr := invoke(t.Context(), "", "man", dir); code != exitOK {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	for _, name := range []string{"laminar", "laminar-serve", "laminar-flow-apply", "laminar-job-cancel", "laminar-completion-bash"} {
		text, err := os.ReadFile(filepath.Join(dir, name+".1"))
		if err != nil || !strings.Contains(string(text), `"Nov 2026"`) || !strings.Contains(string(text), ".SH SYNOPSIS") {
			t.Errorf("page of %s: %v", name, err)
		}
	}
	if code, _, stderr := invoke(t.Context(), "", "man", filepath.Join(dir, "none")); code != exitUsage || !strings.Contains(stderr, "Try: ") {
		t.Errorf("without the directory: exit code %d, %s", code, stderr)
	}
}
