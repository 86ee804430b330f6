package main

import (
	"errors"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"laminar/cmd/laminar/internal/settings"
	"laminar/cmd/laminar/internal/term"
	"laminar/flownode/nearest"
)

// load reads the settings of one run of a command.
func (a *app) load(cmd *cobra.Command) (settings.Config, error) {
	c, err := settings.Load(a.config, a.environ, cmd)
	if err == nil {
		a.nameStrays(cmd, &c)
	}
	return c, err
}

// nameStrays says which variables are ignored: in the log of a service, to the
// person who typed another command.
func (a *app) nameStrays(cmd *cobra.Command, c *settings.Config) {
	for _, stray := range settings.Strays(a.listed()) {
		if cmd.Flag("listen") != nil {
			c.Logger(a.stderr).Warn("a variable of the environment is not a setting and is ignored", "variable", stray.Name, "did_you_mean", stray.Near)
			continue
		}
		_ = term.Say(a.stderr, "Warning: %s is not a setting and is ignored%s\n", stray.Name, settings.DidYouMean(stray.Near))
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
			if settings.Alike(name) == settings.Alike(typed) {
				return cmd.CommandPath() + " --" + name
			}
		}
		if near := nearest.Name(typed, names); near != "" {
			return cmd.CommandPath() + " --" + near
		}
	}
	return cmd.CommandPath() + " --help"
}
