package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"laminar/flownode/flowdef"
)

// didYouMean is a suggestion at the end of a message, "" for none.
func didYouMean(near string) string {
	if near == "" {
		return ""
	}
	return "; did you mean " + near + "?"
}

// alike spells names so that those that differ in dots, dashes, underscores and
// case only are the same.
func alike(name string) string {
	return strings.NewReplacer("-", "_", ".", "_").Replace(strings.ToLower(strings.TrimLeft(name, "-")))
}

// nearestSetting is the setting that was perhaps meant by a key that is none: one
// spelled as elsewhere, one of the same last word, or one with few letters
// changed. "" when there is none.
func nearestSetting(key string) string {
	keys := make([]string, len(settings))
	for i, s := range settings {
		keys[i] = s.key
	}
	for _, k := range keys {
		if alike(k) == alike(key) {
			return k
		}
	}
	last := key[strings.LastIndexByte(key, '.')+1:]
	for _, k := range keys {
		if strings.HasSuffix(k, "."+last) {
			return k
		}
	}
	return flowdef.Nearest(key, append(keys, "refills"))
}

const variablePrefix = "LAMINAR_"

// nearestVariable is the variable that was perhaps meant, "" when none was.
func nearestVariable(name string) string {
	names := []string{"LAMINAR_CONFIG", "LAMINAR_PG_BIN"}
	for _, s := range settings {
		names = append(names, s.env())
	}
	// The prefix is common to all: it must not make them near.
	short := make([]string, len(names))
	for i, n := range names {
		short[i] = strings.TrimPrefix(n, variablePrefix)
	}
	if near := flowdef.Nearest(strings.TrimPrefix(name, variablePrefix), short); near != "" {
		return variablePrefix + near
	}
	return ""
}

// otherVariables begin the names of variables that are no settings and mean
// something all the same: to the tests, to Compose, and, set by Kubernetes beside a
// service of the name, to nobody.
var otherVariables = []string{
	"LAMINAR_CONFIG", "LAMINAR_PG_BIN", "LAMINAR_DB_PASSWORD", "LAMINAR_TEST_", "LAMINAR_TORTURE_", "LAMINAR_FAULT_", "LAMINAR_LOCALPG_",
	"LAMINAR_PORT", "LAMINAR_SERVICE_",
}

// strayVariables are the variables that look like settings and are none, sorted.
func (a *app) strayVariables() []string {
	var stray []string
	for _, entry := range a.listed() {
		name, _, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, variablePrefix) ||
			slices.ContainsFunc(otherVariables, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) ||
			slices.ContainsFunc(settings, func(s setting) bool { return s.env() == name }) {
			continue
		}
		stray = append(stray, name)
	}
	slices.Sort(stray)
	return stray
}

// nameStrays says which variables are ignored: in the log of a service, to the
// person who typed another command.
func (a *app) nameStrays(cmd *cobra.Command, c *config) {
	for _, name := range a.strayVariables() {
		near := nearestVariable(name)
		if cmd.Flag("listen") != nil {
			a.logger(c).Warn("a variable of the environment is not a setting and is ignored", "variable", name, "did_you_mean", near)
			continue
		}
		_ = say(a.stderr, "Warning: %s is not a setting and is ignored%s\n", name, didYouMean(near))
	}
}

// flagHint is what to type instead of a flag that could not be read: one that was
// perhaps meant, else the help.
func flagHint(cmd *cobra.Command, err error) string {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() == "" {
		var names []string
		add := func(f *pflag.Flag) { names = append(names, f.Name) }
		cmd.Flags().VisitAll(add)
		cmd.InheritedFlags().VisitAll(add)
		typed := unknown.GetSpecifiedName()
		for _, name := range names {
			if alike(name) == alike(typed) {
				return cmd.CommandPath() + " --" + name
			}
		}
		if near := flowdef.Nearest(typed, names); near != "" {
			return cmd.CommandPath() + " --" + near
		}
	}
	return cmd.CommandPath() + " --help"
}

// missingFile makes an error about a file that was named and is not there a usage
// error, with the file beside it that was perhaps meant.
func missingFile(path string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	dir := filepath.Dir(path)
	entries, dirErr := os.ReadDir(dir)
	if dirErr != nil {
		return &usageError{err: err, hint: "ls " + filepath.Dir(dir)}
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if near := flowdef.Nearest(filepath.Base(path), names); near != "" {
		return &usageError{err: err, hint: filepath.Join(dir, near)}
	}
	return &usageError{err: err, hint: "ls " + dir}
}
