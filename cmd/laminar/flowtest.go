package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"laminar/cmd/laminar/internal/settings"
	"laminar/cmd/laminar/internal/term"
	"laminar/flownode/flowdef"
	"laminar/flownode/flowfile"
	"laminar/flownode/ruletest"
	"laminar/server/view"
)

func (a *app) flowTestCommand() *cobra.Command {
	var run string
	cmd := &cobra.Command{
		Use:   "test FILE...",
		Short: "Run unit tests of rules, in the form of promtool test rules, without a database",
		Long: "Run unit-test files of rules, in the form of promtool test rules: Laminar computes the tables of\n" +
			"the rules over the input series in memory, and the expectations are held against them.",
		Example: "  laminar flow test rules_test.yml\n  laminar flow test tests/*.yml --run 'latency.*'",
		Args:    takes(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.load(cmd)
			if err != nil {
				return err
			}
			wanted, err := regexp.Compile(run)
			if err != nil {
				return usagef("--run: %w", err)
			}
			failed := false
			data := make([]view.TestedFile, 0, len(args))
			for _, file := range args {
				tested := a.testFile(cmd, &c, file, wanted)
				data, failed = append(data, tested), failed || !tested.Passed
				if a.output != "json" {
					if err := a.sayTested(tested); err != nil {
						return err
					}
				}
			}
			if a.output == "json" {
				if err := term.WriteJSON(a.stdout, data); err != nil {
					return err
				}
			}
			if failed {
				return quietError(exitFault)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&run, "run", "", "regular expression of the names of the tests to run; all without it")
	a.addOutputFlag(cmd)
	return cmd
}

// testFile runs the tests of one file.
func (a *app) testFile(cmd *cobra.Command, c *settings.Config, path string, wanted *regexp.Regexp) view.TestedFile {
	out := view.TestedFile{File: path, Tests: []view.Test{}}
	file, flows, err := a.readTests(c, path)
	if err != nil {
		out.Errors = []string{err.Error()}
		return out
	}
	out.Passed = true
	for i := range file.Tests {
		t := &file.Tests[i]
		if !wanted.MatchString(t.Name) {
			continue
		}
		one := view.Test{Name: t.Title(i), Passed: true}
		for _, err := range file.Run(cmd.Context(), t, flows) {
			one.Errors, one.Passed, out.Passed = append(one.Errors, err.Error()), false, false
		}
		out.Tests = append(out.Tests, one)
	}
	return out
}

// readTests reads a test file and the flows of its rule files.
func (a *app) readTests(c *settings.Config, path string) (ruletest.File, []flowdef.Flow, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return ruletest.File{}, nil, settings.MissingFile(path, err)
	}
	file, err := ruletest.Read(data)
	if err != nil {
		return file, nil, err
	}
	var paths []string
	for _, pattern := range file.RuleFiles {
		if !filepath.IsAbs(pattern) {
			pattern = filepath.Join(filepath.Dir(path), pattern)
		}
		found, err := filepath.Glob(pattern)
		if err != nil {
			return file, nil, fmt.Errorf("rule_files: %s: %w", pattern, err)
		}
		if len(found) == 0 {
			_ = term.Say(a.stderr, "  WARNING: no file match pattern %s\n", pattern)
		}
		paths = append(paths, found...)
	}
	sources, err := a.readDefinitions(c, paths)
	if err != nil {
		return file, nil, err
	}
	all, problems := flowfile.Read(file.Sources(sources))
	if len(problems) > 0 {
		return file, nil, problemsError(problems)
	}
	return file, all.Flows, nil
}

// sayTested prints what became of a file's tests as promtool does.
func (a *app) sayTested(f view.TestedFile) error {
	if err := term.Say(a.stdout, "Unit Testing:  %s\n", f.File); err != nil {
		return err
	}
	if f.Passed {
		return term.Say(a.stdout, "  SUCCESS\n\n")
	}
	if err := term.Say(a.stderr, "  FAILED:\n"); err != nil {
		return err
	}
	show := func(text string) error {
		for line := range strings.SplitSeq(text, "\n") {
			if err := term.Say(a.stderr, "%s\n", line); err != nil {
				return err
			}
		}
		return nil
	}
	for _, text := range f.Errors {
		if err := show(text); err != nil {
			return err
		}
	}
	for _, t := range f.Tests {
		if t.Passed {
			continue
		}
		if err := term.Say(a.stderr, "    name: %s,\n", t.Name); err != nil {
			return err
		}
		for _, text := range t.Errors {
			if err := show(text); err != nil {
				return err
			}
		}
	}
	return term.Say(a.stdout, "\n")
}
