package main

import (
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"laminar/cmd/laminar/internal/term"
	"laminar/server/view"
)

// version and commit are set by the linker in builds of `make build` and of the
// Dockerfile; a commit with a + is one that the tree differs from.
var (
	version = "devel"
	commit  = ""
)

func (a *app) versionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  laminar version --output json",
		Args:    takes(0, 0),
		RunE: func(*cobra.Command, []string) error {
			return a.print(term.Table{Note: versionText(), Data: buildVersion()})
		},
	}
	a.addOutputFlag(cmd)
	return cmd
}

// versionText is the version in one line: laminar 1.2.0 (abc1234) go1.26.8.
func versionText() string {
	v := buildVersion()
	text := "laminar " + v.Version
	if v.Commit != "" {
		text += " (" + v.Commit
		if v.Modified {
			text += "+"
		}
		text += ")"
	}
	return text + " " + v.Go
}

// buildVersion is the version, with the commit that the program was built from
// where the build recorded it: go build does so in a git repository.
func buildVersion() view.Version {
	v := view.Version{Version: version, Go: runtime.Version()}
	if v.Commit, v.Modified = strings.CutSuffix(commit, "+"); v.Commit != "" {
		return v
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && len(s.Value) >= 7:
			v.Commit = s.Value[:7]
		case s.Key == "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}
