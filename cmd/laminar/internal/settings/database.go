package settings

import (
	"fmt"
	"os"
	"strings"

	"laminar/sqlstore/localpg"
)

// DatabaseURL is the database of a configuration: the one that is named, else
// "" for the private one.
func (c *Config) DatabaseURL() (string, error) {
	if c.URLFile == "" {
		return c.Database.URL, nil
	}
	text, err := os.ReadFile(c.URLFile)
	if err != nil {
		return "", fmt.Errorf("read database.url_file: %w", MissingFile(c.URLFile, err))
	}
	if url := strings.TrimSpace(string(text)); url != "" {
		return url, nil
	}
	return "", faultf("database.url_file: %s is empty", c.URLFile)
}

// RunningURL is the database that a command other than serve talks to: the one
// that is named, else the private one that a Laminar runs in the data
// directory right now.
func (c *Config) RunningURL() (string, error) {
	url, err := c.DatabaseURL()
	if err != nil || url != "" {
		return url, err
	}
	return localpg.Running(c.DataDir)
}
