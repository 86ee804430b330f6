package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"laminar/cmd/laminar/internal/settings"
	"laminar/flownode/flowfile"
)

// readDefinitions reads definition files. A path is a file, a directory (its
// .yaml and .yml files), a pattern, or - for standard input. What they leave open is
// as the settings say.
func (a *app) readDefinitions(c *settings.Config, paths []string) ([]flowfile.Source, error) {
	source := func(file string, data []byte) flowfile.Source {
		return flowfile.Source{File: file, Data: data, Lookback: c.Lookback.Milliseconds(), Emit: c.RulesEmit}
	}
	var sources []flowfile.Source
	seen := map[string]bool{}
	for _, path := range paths {
		if path == "-" {
			if a.typed == nil { // a reload gets what was there at the start
				data, err := io.ReadAll(a.stdin)
				if err != nil {
					return nil, fmt.Errorf("read definitions: %w", err)
				}
				a.typed = append([]byte{}, data...)
			}
			sources = append(sources, source("stdin", a.typed))
			continue
		}
		files, err := definitionFiles(path)
		if err != nil {
			return nil, fmt.Errorf("read definitions: %w", settings.MissingFile(path, err))
		}
		for _, file := range files {
			if seen[file] {
				continue
			}
			seen[file] = true
			data, err := os.ReadFile(file)
			if err != nil {
				return nil, fmt.Errorf("read definitions: %w", err)
			}
			sources = append(sources, source(file, data))
		}
	}
	return sources, nil
}

func definitionFiles(path string) ([]string, error) {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		entries, err := os.ReadDir(path)
		if err != nil {
			return nil, err
		}
		var files []string
		for _, e := range entries {
			if ext := filepath.Ext(e.Name()); !e.IsDir() && (ext == ".yaml" || ext == ".yml") {
				files = append(files, filepath.Join(path, e.Name()))
			}
		}
		if len(files) == 0 {
			return nil, fmt.Errorf("%s holds no .yaml file", path)
		}
		return files, nil
	case err == nil:
		return []string{path}, nil
	case strings.ContainsAny(path, "*?["):
		files, globErr := filepath.Glob(path)
		if globErr != nil {
			return nil, fmt.Errorf("%s: %w", path, globErr)
		}
		if len(files) == 0 {
			return nil, fmt.Errorf("%s: %w", path, fs.ErrNotExist)
		}
		slices.Sort(files)
		return files, nil
	default:
		return nil, err
	}
}

// parseDefinitions reads and checks definitions; all faults come back as one
// problemsError.
func (a *app) parseDefinitions(c *settings.Config, paths []string) (flowfile.Definitions, error) {
	sources, err := a.readDefinitions(c, paths)
	if err != nil {
		return flowfile.Definitions{}, err
	}
	all, problems := flowfile.Read(sources)
	if len(problems) > 0 {
		return flowfile.Definitions{}, problemsError(problems)
	}
	return all, nil
}
