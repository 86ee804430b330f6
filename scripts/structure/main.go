// Structure measures how the packages of a module are divided, and fails where
// one breaks a limit of CONTRIBUTING.md.
//
//	structure [-v] [package...]
//
// It prints one line per package: its files, their lines, the share of lines
// that are comments only, the type with most methods, and how many references
// between its files run against the order that the others give. With -v it
// prints that order and names those references.
//
// Only what the go command builds here is measured: no tests, and no files for
// another system.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
)

// limits are what a package may reach and not exceed.
type limits struct {
	lines   int
	methods int
	// percent of the references between a package's files that may run back. One
	// reference may always: in a package of few files it is a large share.
	percent int
	// exempt types have as many methods as they want; written package.Type.
	exempt map[string]bool
}

// house is what CONTRIBUTING.md asks for. The command line is one type with a
// method per command.
var house = limits{lines: 3600, methods: 25, percent: 5, exempt: map[string]bool{"cmd/laminar.app": true}}

func main() {
	verbose := flag.Bool("v", false, "print the order of each package's files and the references against it")
	flag.Parse()
	broken, err := run(os.Stdout, ".", flag.Args(), house, *verbose)
	if err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(2)
	}
	if broken > 0 {
		os.Exit(1)
	}
}

// run prints the measures of the module's packages that patterns name (all of
// them by default), then each broken limit. It returns how many are broken.
func run(w io.Writer, dir string, patterns []string, most limits, verbose bool) (int, error) {
	packages, err := load(dir, patterns)
	if err != nil {
		return 0, err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "package\tfiles\tlines\tcomments\tmost methods\treferences back")
	var measures []measure
	for _, p := range packages {
		m := measureOf(p)
		measures = append(measures, m)
		fmt.Fprintf(table, "%s\t%d\t%d\t%d %%\t%s\t%d/%d = %.1f %%\n", m.name, len(m.order), m.lines,
			share(m.comments, m.lines), m.largest(), len(m.back), m.references, m.percentBack())
	}
	if err := table.Flush(); err != nil {
		return 0, err
	}
	if verbose {
		for _, m := range measures {
			m.explain(w)
		}
	}
	var faults []string
	for _, m := range measures {
		faults = append(faults, m.faults(most)...)
	}
	for _, fault := range faults {
		fmt.Fprintln(w, "over the limit:", fault)
	}
	return len(faults), nil
}

// explain prints the order of the package's files, the ones that use the others
// first, and each reference that runs against it.
func (m measure) explain(w io.Writer) {
	if len(m.back) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s: %s\n", m.name, strings.Join(m.order, " "))
	for _, ref := range m.back {
		fmt.Fprintf(w, "  %s -> %s: %s\n", ref.from, ref.to, strings.Join(ref.names, " "))
	}
}

// faults are the limits that the package breaks, in words.
func (m measure) faults(most limits) []string {
	var faults []string
	if m.lines > most.lines {
		faults = append(faults, fmt.Sprintf("%s has %d lines, the limit is %d", m.name, m.lines, most.lines))
	}
	for _, t := range m.types {
		if t.methods > most.methods && !most.exempt[m.name+"."+t.name] {
			faults = append(faults, fmt.Sprintf("%s.%s has %d methods, the limit is %d", m.name, t.name, t.methods, most.methods))
		}
	}
	if len(m.back) > 1 && m.percentBack() > float64(most.percent) {
		faults = append(faults, fmt.Sprintf("%s: %d of %d references between files run back, the limit is %d %% (-v names them)",
			m.name, len(m.back), m.references, most.percent))
	}
	return faults
}

func share(part, whole int) int {
	if whole == 0 {
		return 0
	}
	return (part*100 + whole/2) / whole
}
