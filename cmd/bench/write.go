package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"laminar/cmd/bench/harness"
	"laminar/cmd/bench/report"
)

// write writes the results: as JSON, Markdown and a chart to files beside each
// other, and as text to the standard output.
func write(b *harness.Bench) error {
	b.Report.Seconds = time.Since(b.Report.Began).Seconds()
	name := "latest"
	switch {
	case b.Options.Rules != "":
		name = "rules"
	case b.Options.Scale:
		name = "scale"
	case b.Options.Quick:
		name = "quick"
	}
	for _, f := range []struct {
		suffix string
		write  func(*bytes.Buffer) error
	}{
		{".json", func(w *bytes.Buffer) error { return b.Report.WriteJSON(w) }},
		{".md", func(w *bytes.Buffer) error { return b.Report.WriteMarkdown(w) }},
		{".svg", func(w *bytes.Buffer) error { return b.Report.WriteSVG(w) }},
	} {
		var text bytes.Buffer
		if err := f.write(&text); err != nil {
			return fmt.Errorf("write the results: %w", err)
		}
		if err := os.WriteFile(filepath.Join(b.Options.Out, name+f.suffix), text.Bytes(), 0o644); err != nil {
			return err
		}
	}
	b.Say("results are in %s", filepath.Join(b.Options.Out, name+".{json,md,svg}"))
	return b.Report.WriteText(os.Stdout)
}

// docParts are the results in the document, each between two markers with its
// chart.
var docParts = []string{"latest", "scale"}

// writeDocs puts the results of the last runs into the document. Where a run has
// left no results, those in the document stay.
func writeDocs(out, doc string) error {
	text, err := os.ReadFile(doc)
	if err != nil {
		return err
	}
	found := false
	for _, part := range docParts {
		raw, err := os.ReadFile(filepath.Join(out, part+".json"))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		found = true
		var r report.Report
		if err := json.Unmarshal(raw, &r); err != nil {
			return fmt.Errorf("%s.json: %w", part, err)
		}
		var table, chart bytes.Buffer
		if err := r.WriteMarkdown(&table); err != nil {
			return err
		}
		if err := r.WriteSVG(&chart); err != nil {
			return err
		}
		begin, end := "<!-- "+part+" -->\n", "<!-- end of "+part+" -->\n"
		head, rest, begun := strings.Cut(string(text), begin)
		_, tail, ended := strings.Cut(rest, end)
		if !begun || !ended {
			return fmt.Errorf("%s does not hold the lines %q and %q", doc, begin, end)
		}
		image := "benchmarks-" + part + ".svg"
		text = []byte(head + begin + "\n" + table.String() + "\n![" + part + "](" + image + ")\n\n" + end + tail)
		if err := os.WriteFile(filepath.Join(filepath.Dir(doc), image), chart.Bytes(), 0o644); err != nil {
			return err
		}
	}
	if !found {
		return fmt.Errorf("there are no results in %s: make bench and make bench-scale leave them there", out)
	}
	return os.WriteFile(doc, text, 0o644)
}
