package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"laminar/flownode/flowfile"
)

// The files in deploy are examples that people copy: they must work.
func TestDeployedFlows(t *testing.T) {
	files, err := filepath.Glob("../../deploy/*flows.yml")
	if err != nil || len(files) < 2 {
		t.Fatalf("found %v (%v)", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		flows, problems := flowfile.Parse(file, text)
		if len(flows) == 0 || len(problems) > 0 {
			t.Errorf("%s has %d flows, problems %v", file, len(flows), problems)
		}
	}
}

// The command lines of docker-compose.yml and of the systemd unit name flags
// that exist.
func TestDeployedCommandLines(t *testing.T) {
	var compose struct {
		Services map[string]struct{ Command []string }
	}
	text, err := os.ReadFile("../../docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &compose); err != nil {
		t.Fatal(err)
	}
	unit, err := os.ReadFile("../../deploy/laminar.service")
	if err != nil {
		t.Fatal(err)
	}
	_, start, found := strings.Cut(string(unit), "\nExecStart=/usr/local/bin/laminar ")
	if !found {
		t.Fatal("the unit does not start laminar")
	}
	start, _, _ = strings.Cut(start, "\n")
	for _, args := range [][]string{compose.Services["laminar"].Command, strings.Fields(start)} {
		if len(args) == 0 || args[0] != "serve" {
			t.Errorf("command line %q does not serve", args)
		}
		var out, errs strings.Builder
		if code := run(t.Context(), append(slices.Clone(args), "--help"), strings.NewReader(""), &out, &errs); code != 0 {
			t.Errorf("laminar %s: exit code %d, %s", strings.Join(args, " "), code, errs.String())
		}
	}
}
