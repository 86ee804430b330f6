package settings

import (
	"io"
	"log/slog"
	"slices"
	"strings"
)

// Load makes the configuration of one run of a command: defaults, over them the
// file (or the one that LAMINAR_CONFIG names), over it the environment, over it
// the flags. What is wrong is reported with where it stands, as a Fault.
func Load(file string, environ func(string) (string, bool), flags Flags) (Config, error) {
	c := Default()
	if file == "" {
		file, _ = environ("LAMINAR_CONFIG")
	}
	if file != "" {
		if err := readConfigFile(file, &c); err != nil {
			return c, err
		}
	}
	for _, s := range table {
		if text, found := environ(s.env()); found {
			if err := s.bind(&c).Set(text); err != nil {
				return c, faultf("%s: %w", s.env(), err)
			}
			c.settle(s.key)
		}
	}
	for _, s := range table {
		typed := s.typed(flags)
		if typed == nil {
			continue
		}
		text := typed.text[len(typed.text)-1]
		if typed.kind == "strings" {
			text = strings.Join(typed.text, ",")
		}
		if err := s.bind(&c).Set(text); err != nil {
			return c, faultf("--%s: %w", s.flag(), err)
		}
		c.settle(s.key)
	}
	return c, c.Validate()
}

// settle lets the database that was named last win, whichever of the two
// settings named it: --database-url must be able to override a file that has
// database.url_file.
func (c *Config) settle(key string) {
	switch key {
	case "database.url":
		c.URLFile = ""
	case "database.url_file":
		c.Database.URL = ""
	}
}

// Given reports whether a setting was named as a flag or in the environment, or
// has another value than its default.
func (c *Config) Given(key string, environ func(string) (string, bool), flags Flags) bool {
	return slices.ContainsFunc(table, func(s setting) bool {
		if s.key != key {
			return false
		}
		_, found := environ(s.env())
		return found || s.typed(flags) != nil || s.bind(c).String() != s.defaultText()
	})
}

// Logger is the log of a configuration that is valid, written to w.
func (c *Config) Logger(w io.Writer) *slog.Logger {
	level, _ := logLevel(c.Log.Level) // Validate has looked at it
	opts := &slog.HandlerOptions{Level: level}
	if c.Log.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}
