package resulttable

import (
	"context"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5/pgtype"

	"laminar/flownode/distinct/sethist"
	"laminar/flownode/progress"
	queries "laminar/queries/result"
	"laminar/sequence/nativehist"
	"laminar/sqlstore/pg"
)

// Results that are native histograms. Most flows never have one, and their tables have
// no column for them. The round that has the first adds it, in its own transaction: of
// that PostgreSQL writes no row, but it waits for statements that use the table. From
// then on the table has another shape, so the flow is taken again, and Ensure finds
// the column. Until then this process goes on adding it, which changes nothing.

// MakeRoom adds the column for histograms if one of the windows has any and the table
// is not known to have it. It must be called, in the transaction that writes, before the
// windows' statements are made.
func (t *Target) MakeRoom(ctx context.Context, tx pg.Querier, windows []progress.Window) error {
	if t.in.histograms {
		return nil
	}
	if !t.adding.Load() {
		if !slices.ContainsFunc(windows, hasHistograms) {
			return nil
		}
		t.adding.Store(true)
	}
	stmt := t.in.expand(queries.ResultHistograms)
	_, err := tx.Exec(ctx, stmt)
	if pg.NoRights(err) { // a process whose role only keeps flows
		return pg.WithHint(err, "as the owner of the table: %s", stmt)
	}
	return err
}

// writer is the target as it is to be written to: with the column for histograms, once
// it was added.
func (t *Target) writer() *Target {
	if t.adding.Load() {
		return t.wide()
	}
	return t
}

// widened is the target with the column.
func (t *Target) widened() *Target {
	table := *t.Table
	table.in.histograms = true
	return NewTarget(&table)
}

// hasHistograms reports whether a row of a window is a histogram.
func hasHistograms(w progress.Window) bool {
	return slices.ContainsFunc(w.Rows, func(r progress.Row) bool { return r.Histogram != nil })
}

// histogramArgs is the histograms of the windows' rows as a parameter, and their values
// as one that is null where there is a histogram.
func histogramArgs(windows []progress.Window, values []float64) (floats []pgtype.Float8, texts []pgtype.Text) {
	floats, texts = make([]pgtype.Float8, 0, len(values)), make([]pgtype.Text, 0, len(values))
	for i := range windows {
		for _, r := range windows[i].Rows {
			float, text := resultArgs(r)
			floats, texts = append(floats, float), append(texts, text)
		}
	}
	return floats, texts
}

// resultArgs is a row's result as a value and a histogram, of which one is null; but where
// the histogram is a set of values, the value is how many there are.
func resultArgs(r progress.Row) (pgtype.Float8, pgtype.Text) {
	h := r.Histogram
	if h == nil {
		return pgtype.Float8{Float64: r.Value, Valid: true}, pgtype.Text{}
	}
	value := pgtype.Float8{}
	if sethist.Is(h.Schema, h.ZeroThreshold) {
		set, _ := sethist.Set(h.Float())
		value = pgtype.Float8{Float64: set.Count(), Valid: true}
	}
	return value, pgtype.Text{String: compositeOf(h), Valid: true}
}

// Result is where value and histogram of a row are read to, wherever such columns are.
type Result struct {
	value     *float64
	histogram readHistogram
}

// Fields is what is read, in the order of `value, (histogram).*`.
func (r *Result) Fields() []any { return append([]any{&r.value}, r.histogram.fields()...) }

// Row is what was read.
func (r *Result) Row(columns []string) progress.Row {
	row := progress.Row{Columns: columns, Histogram: r.histogram.histogram()}
	if r.value != nil && row.Histogram == nil {
		row.Value = *r.value
	}
	return row
}

// compositeOf is a histogram as PostgreSQL reads the composite type.
func compositeOf(h *nativehist.Sparse) string {
	buf := append(make([]byte, 0, 128+24*(len(h.NegativeBuckets)+len(h.PositiveBuckets))), '(')
	buf = strconv.AppendInt(buf, int64(h.Schema), 10)
	for _, v := range []float64{h.Count, h.Sum, h.ZeroThreshold, h.ZeroCount} {
		buf = appendNumber(append(buf, ','), v)
	}
	buf = appendArray(buf, h.NegativeBuckets, appendBucket)
	buf = appendArray(buf, h.NegativeCounts, appendNumber)
	buf = appendArray(buf, h.PositiveBuckets, appendBucket)
	buf = appendArray(buf, h.PositiveCounts, appendNumber)
	buf = appendArray(buf, h.CustomValues, appendNumber)
	return string(append(strconv.AppendBool(append(buf, ','), h.Gauge), ')'))
}

func appendArray[T any](buf []byte, list []T, one func([]byte, T) []byte) []byte {
	buf = append(buf, `,"{`...)
	for i, v := range list {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = one(buf, v)
	}
	return append(buf, `}"`...)
}

func appendBucket(buf []byte, b int32) []byte { return strconv.AppendInt(buf, int64(b), 10) }

func appendNumber(buf []byte, v float64) []byte { return strconv.AppendFloat(buf, v, 'g', -1, 64) }

// readHistogram is where the fields of a row's histogram are read to, in the order of the
// type. All of them are null where there is none.
type readHistogram struct {
	schema             *int32
	count, sum         *float64
	zeroThreshold      *float64
	zeroCount          *float64
	negative, positive []int32
	negativeCounts     []float64
	positiveCounts     []float64
	custom             []float64
	gauge              *bool
}

func (r *readHistogram) fields() []any {
	return []any{
		&r.schema, &r.count, &r.sum, &r.zeroThreshold, &r.zeroCount, &r.negative, &r.negativeCounts,
		&r.positive, &r.positiveCounts, &r.custom, &r.gauge,
	}
}

// histogram is what was read; nil where it is no histogram, or one that a person has
// left without a field.
func (r *readHistogram) histogram() *nativehist.Sparse {
	if r.schema == nil || r.count == nil || r.sum == nil || r.zeroThreshold == nil || r.zeroCount == nil || r.gauge == nil ||
		len(r.negative) != len(r.negativeCounts) || len(r.positive) != len(r.positiveCounts) {
		return nil
	}
	return &nativehist.Sparse{
		Schema: *r.schema, Count: *r.count, Sum: *r.sum, ZeroThreshold: *r.zeroThreshold, ZeroCount: *r.zeroCount,
		NegativeBuckets: slices.Clone(r.negative), NegativeCounts: slices.Clone(r.negativeCounts),
		PositiveBuckets: slices.Clone(r.positive), PositiveCounts: slices.Clone(r.positiveCounts),
		CustomValues: slices.Clone(r.custom), Gauge: *r.gauge,
	}
}
