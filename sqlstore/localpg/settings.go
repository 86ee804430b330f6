package localpg

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const settingsFile = "laminar.conf"

// baseSettings fit a server that has one client, Laminar, which writes a lot,
// in large transactions, on a machine it shares with that client.
func baseSettings() map[string]string {
	return map[string]string{
		"listen_addresses":             "",
		"unix_socket_permissions":      "0700",
		"max_connections":              "100",
		"max_locks_per_transaction":    "512", // a query of all raw samples locks every partition and its indexes
		"shared_buffers":               "256MB",
		"work_mem":                     "32MB",
		"maintenance_work_mem":         "256MB",
		"max_wal_size":                 "4GB",
		"min_wal_size":                 "256MB",
		"checkpoint_timeout":           "15min",
		"checkpoint_completion_target": "0.9",
		"random_page_cost":             "1.1",
		"jit":                          "off",
		"synchronous_commit":           "on",
		"fsync":                        "on",
		"full_page_writes":             "on",
		"timezone":                     "UTC",
		"log_timezone":                 "UTC",
		"log_line_prefix":              "%m [%p] %q%a ",
		"log_checkpoints":              "off",
		"logging_collector":            "off",
		"log_destination":              "stderr",
	}
}

// wishes are settings that a server takes only if it is new enough and built
// with the library; the first value it accepts is used.
var wishes = []struct {
	name   string
	values []string
}{
	{"wal_compression", []string{"lz4", "on"}},
	{"default_toast_compression", []string{"lz4"}},
}

// accepted returns those wishes that the cluster's server can fulfil. It asks
// the server itself, which must not be running.
func accepted(ctx context.Context, l layout, b Binaries, who account) map[string]string {
	found := map[string]string{}
	for _, wish := range wishes {
		for _, value := range wish.values {
			cmd := who.command(ctx, l.cluster(), b.program("postgres"),
				"-D", l.cluster(), "-c", wish.name+"="+value, "-C", wish.name)
			if cmd.Run() == nil {
				found[wish.name] = value
				break
			}
		}
	}
	return found
}

var settingName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]*$`)

// writeSettings writes the settings file that the cluster includes. Of a
// setting that is in several maps the last map's value counts.
func writeSettings(l layout, who account, layers ...map[string]string) error {
	all := map[string]string{}
	for _, layer := range layers {
		maps.Copy(all, layer)
	}
	var text strings.Builder
	text.WriteString("# Written by Laminar at every start. Put your own settings at the end of postgresql.conf.\n")
	for _, name := range slices.Sorted(maps.Keys(all)) {
		value := all[name]
		if !settingName.MatchString(name) || strings.ContainsAny(value, "\n\r\x00") {
			return fmt.Errorf("PostgreSQL setting %q: %q cannot be written to a settings file", name, value)
		}
		value = strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(value)
		fmt.Fprintf(&text, "%s = '%s'\n", name, value)
	}
	// The cluster may be a link, to another disk: its name stands in a directory
	// that only root and we can write to.
	path, err := filepath.EvalSymlinks(l.cluster())
	if err != nil {
		return fmt.Errorf("write PostgreSQL settings: %w", err)
	}
	cluster, err := openFolder(path, who.uid())
	if err != nil {
		return fmt.Errorf("write PostgreSQL settings: %w", err)
	}
	if err := errors.Join(cluster.replace(settingsFile, []byte(text.String()), who), cluster.close()); err != nil {
		return fmt.Errorf("write PostgreSQL settings: %w", err)
	}
	return nil
}
