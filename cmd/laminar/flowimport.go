package main

import (
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"laminar/cmd/laminar/internal/settings"
	"laminar/cmd/laminar/internal/term"
	"laminar/flownode/flowfile/importer"
)

func (a *app) flowImportCommand() *cobra.Command {
	var report bool
	var opts importer.Options
	var quantiles []string
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Make definitions of the files of other programs, and say what differs",
		Long: "Read a stream-aggregation file of VictoriaMetrics (as of 1.150), or a streaming_config.yaml of\n" +
			"ASAPQuery, and print native definitions. A comment over each flow says whether it is exact, what\n" +
			"differs and by which rule; what no flow can do is refused with the reason. Rule files of\n" +
			"Prometheus are definitions as they are. The exit code is 1 if anything is refused.",
		Example: "  laminar flow import stream_aggr.yaml > flows.yaml\n  laminar flow import stream_aggr.yaml --report\n" +
			"  laminar flow import streaming_config.yaml --quantiles 0.5,0.99",
		Args: takes(1, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			data, err := os.ReadFile(args[0])
			if err != nil {
				return settings.MissingFile(args[0], err)
			}
			for _, text := range quantiles {
				phi, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
				if err != nil || !(phi >= 0 && phi <= 1) {
					return usagef("--quantiles: want numbers from 0 to 1, such as 0.5,0.99, not %q", text)
				}
				opts.Quantiles = append(opts.Quantiles, phi)
			}
			result, problems := importer.Import(args[0], data, opts)
			if len(problems) > 0 {
				return problemsError(problems)
			}
			return a.sayImported(result, report)
		},
	}
	cmd.Flags().BoolVar(&report, "report", false, "print what became of each part, and no definitions")
	cmd.Flags().StringSliceVar(&quantiles, "quantiles", nil, "`numbers` from 0 to 1: quantiles to take of sketches whose file does not say which are asked for")
	a.addOutputFlag(cmd)
	return cmd
}

// sayImported prints the definitions, or the report.
func (a *app) sayImported(r *importer.Result, report bool) (err error) {
	refused := r.Count(importer.Refused)
	switch {
	case a.output == "json":
		data := r.Summary()
		if report {
			data.Definitions = ""
		}
		err = term.WriteJSON(a.stdout, data)
	case r.Format == importer.FormatDefinitions:
		err = term.Say(a.stdout, "%s holds definitions as they are: laminar flow validate -f %s\n", r.File, r.File)
	case report:
		err = a.sayLines(r.Report())
	default:
		if err = a.sayLines(r.Definitions()); err == nil && refused > 0 {
			err = term.Say(a.stderr, "%s: laminar flow import %s --report says why\n", r.Counts(), r.File)
		}
	}
	if err == nil && refused > 0 {
		return quietError(exitFault)
	}
	return err
}

// sayLines prints a text whose line breaks are its own.
func (a *app) sayLines(text string) error {
	for line := range strings.Lines(text) {
		if err := term.Say(a.stdout, "%s\n", strings.TrimSuffix(line, "\n")); err != nil {
			return err
		}
	}
	return nil
}
