package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"laminar/cmd/laminar/internal/settings"
	"laminar/cmd/laminar/internal/term"
	"laminar/server/view"
	"laminar/sqlstore"
)

func (a *app) seriesCommand() *cobra.Command {
	cmd := a.group(&cobra.Command{
		Use:   "series",
		Short: "Show where series come from",
	})
	cmd.AddCommand(a.seriesTopCommand())
	return cmd
}

func (a *app) seriesTopCommand() *cobra.Command {
	var by, label string
	var limit int
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Show who has most series: by metric, by label, by a label's values, by sender",
		Long: "Show who has most series. By metric, with how many were created in the last hour;\n" +
			"by label, with how many values it has; the values of one label; or by sender, with\n" +
			"how many new series it brought. A sender is the token, the user or the certificate\n" +
			"that a request logged in with, else its address. Labels are read of about a million\n" +
			"series; where there are more, counts are projected.",
		Example: "  laminar series top\n" +
			"  laminar series top --by label\n" +
			"  laminar series top --label pod --limit 20\n" +
			"  laminar series top --by sender --output json",
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case label != "" && cmd.Flags().Changed("by") && by != "label":
				return usagef("--label %s shows the values of a label: leave out --by %s", label, by)
			case by != "metric" && by != "label" && by != "sender":
				return usagef("--by %s: want metric, label or sender", by)
			}
			if label != "" {
				by = "value"
			}
			return a.withStore(cmd, func(ctx context.Context, _ *settings.Config, store *sqlstore.Store) error {
				t, err := seriesTop(ctx, store, by, label, limit)
				if err != nil {
					return err
				}
				return a.print(t)
			})
		},
	}
	cmd.Flags().StringVar(&by, "by", "metric", "metric, label or sender")
	cmd.Flags().StringVar(&label, "label", "", "show the values of this label")
	addLimitFlag(cmd, &limit, 10, "how many to show")
	a.addOutputFlag(cmd)
	return cmd
}

// seriesTop counts and lays out.
func seriesTop(ctx context.Context, store *sqlstore.Store, by, label string, limit int) (term.Table, error) {
	s := view.Series{By: by, Label: label}
	var t term.Table
	part := 100.0
	switch by {
	case "metric":
		list, err := store.Census.Metrics(ctx, limit)
		if err != nil {
			return t, err
		}
		t.Head = []string{"metric", "series", "new in the last hour"}
		for _, m := range list {
			s.Metrics = append(s.Metrics, view.NewSeriesMetric(m))
			t.Rows = append(t.Rows, []string{m.Name, fmt.Sprint(m.Series), fmt.Sprint(m.CreatedLastHour)})
		}
	case "sender":
		list, err := store.Census.Senders(ctx, limit)
		if err != nil {
			return t, err
		}
		t.Head = []string{"sender", "new in the last hour", "last day", "last week"}
		for _, x := range list {
			s.Senders = append(s.Senders, view.NewSeriesSender(x))
			t.Rows = append(t.Rows, []string{x.Name, fmt.Sprint(x.LastHour), fmt.Sprint(x.LastDay), fmt.Sprint(x.LastWeek)})
		}
	case "label":
		list, of, err := store.Census.Labels(ctx, limit)
		if err != nil {
			return t, err
		}
		part = of
		t.Head = []string{"label", "values", "series"}
		for _, l := range list {
			s.Labels = append(s.Labels, view.NewSeriesLabel(l))
			t.Rows = append(t.Rows, []string{l.Name, fmt.Sprint(l.Values), fmt.Sprint(l.Series)})
		}
	default:
		list, of, err := store.Census.Values(ctx, label, limit)
		if err != nil {
			return t, err
		}
		part = of
		t.Head = []string{"value of " + label, "series"}
		for _, v := range list {
			s.Values = append(s.Values, view.NewSeriesValue(v))
			t.Rows = append(t.Rows, []string{v.Value, fmt.Sprint(v.Series)})
		}
	}
	switch {
	case part < 100:
		s.Sampled = part
		t.Note = fmt.Sprintf("of %.2g %% of the series: counts are projected, and there may be more values", part)
	case len(t.Rows) == 0:
		t.Note = "none"
	}
	t.Data = s
	return t, nil
}
