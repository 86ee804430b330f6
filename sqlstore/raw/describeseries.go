package raw

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	queries "laminar/queries/raw"
	"laminar/sequence"
	"laminar/sequence/series"
	"laminar/sqlstore/pg"
)

// A flow needs of each series only the labels that its leaves group or select by. With a million series the labels are most of what is read, so where
// few are asked for PostgreSQL picks their values and series with the same values
// share one label set.
//
// A series is listed by the sequence that created it, so asking for those after a
// vector gives exactly the ones that are new since then: members are extended,
// never read again.

// narrowLabels is of how many labels the values can be read instead of all
// labels (series_labels).
const narrowLabels = 4

// Series lists the series created after the vector whose metric has one of the
// names; nil names mean every metric. Of their labels those named in only are
// given, all if there are none, and perhaps others. The order is not defined.
// Series share label sets, which must not be changed.
func (s *Snapshot) Series(ctx context.Context, metrics []string, after sequence.Vector, only ...string) ([]series.Series, error) {
	regions, seqs := s.afterColumns(after)
	if len(regions) == 0 {
		return nil, nil
	}
	// Ascending, as label sets are.
	only = slices.Compact(slices.Sorted(slices.Values(only)))
	var (
		out  []series.Series
		one  series.Series
		scan = []any{(*int32)(&one.ID), (*int32)(&one.Metric), (*int32)(&one.Region), (*int64)(&one.Seq)}
		rows pgx.Rows
		read func() ([]series.Label, error)
		err  error
	)
	// Two statements give the same rows, with all labels as one document or with the
	// values of up to narrowLabels of them; what differs is how a row is read.
	if len(only) == 0 || len(only) > narrowLabels {
		var doc []byte
		scan, read = append(scan, &doc), func() ([]series.Label, error) { return parseLabels(doc) }
		rows, err = s.conn.Query(ctx, queries.SeriesAfter, regions, seqs, metrics)
	} else {
		var names [narrowLabels]*string // null where there are fewer
		for i := range only {
			names[i] = &only[i]
		}
		sets := &labelSets{names: only, known: map[string][]series.Label{}}
		for i := range sets.values {
			scan = append(scan, &sets.values[i])
		}
		read = sets.labels
		rows, err = s.conn.Query(ctx, queries.SeriesLabels, regions, seqs, metrics, names[0], names[1], names[2], names[3])
	}
	if err != nil {
		return nil, pg.ReadError("list series", err)
	}
	_, err = pgx.ForEachRow(rows, scan, func() error {
		var err error
		if one.Labels, err = read(); err != nil {
			return err
		}
		out = append(out, one)
		return nil
	})
	if err != nil {
		return nil, pg.ReadError("list series", err)
	}
	return out, nil
}

// There tells how many of the series are there: others have been removed, since they have
// no samples any more.
func (s *Snapshot) There(ctx context.Context, ids []sequence.SeriesID) (n int, err error) {
	list := make([]int32, len(ids))
	for i, id := range ids {
		list[i] = int32(id)
	}
	if err := s.conn.QueryRow(ctx, queries.SeriesThere, list).Scan(&n); err != nil {
		return 0, pg.ReadError("look which series are there", err)
	}
	return n, nil
}

// labelSets makes label sets of the values of some labels, one of each kind:
// where few labels are wanted, most series have the same values.
type labelSets struct {
	names  []string // ascending
	values [narrowLabels]labelValue
	known  map[string][]series.Label // by the values
	key    []byte
}

// labelValue is one value of the row that was read last.
type labelValue struct {
	text []byte
	null bool
}

// ScanBytes implements pgtype.BytesScanner; text is nil for null.
func (v *labelValue) ScanBytes(text []byte) error {
	v.text, v.null = append(v.text[:0], text...), text == nil
	return nil
}

var _ pgtype.BytesScanner = (*labelValue)(nil)

// labels is the label set of the values.
func (s *labelSets) labels() ([]series.Label, error) {
	// The values as one text, by which a known set is found without allocating.
	s.key = s.key[:0]
	for i := range s.names {
		// 0xff and 0xfe occur in no UTF-8 text.
		if s.values[i].null {
			s.key = append(s.key, 0xfe)
		}
		s.key = append(append(s.key, s.values[i].text...), 0xff)
	}
	if known, ok := s.known[string(s.key)]; ok {
		return known, nil
	}
	set := []series.Label{}
	for i, name := range s.names {
		if !s.values[i].null {
			set = append(set, series.Label{Name: name, Value: string(s.values[i].text)})
		}
	}
	s.known[string(s.key)] = set
	return set, nil
}
