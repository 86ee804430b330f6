package promapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/timestamp"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"

	"laminar/query"
)

// lookups answers with labels.
type lookups struct{ *core }

// series answers /series: the label sets that match one of the selectors.
func (a lookups) series(r *http.Request) answer {
	if err := r.ParseForm(); err != nil {
		return refuse(fmt.Errorf("error parsing form values: %w", err))
	}
	if len(r.Form["match[]"]) == 0 {
		return refuse(errors.New("no match[] parameter provided"))
	}
	limit, err := parseLimit(r.FormValue("limit"))
	if err != nil {
		return refuseParameter("limit", err)
	}
	start, end, wrong := span(r)
	if wrong != nil {
		return *wrong
	}
	sets, err := parseMatchers(a.cfg.Queries.Parser, r.Form["match[]"])
	if err != nil {
		return refuseParameter("match[]", err)
	}
	// Without samples: that function is what Prometheus's storages look for, too.
	hints := &storage.SelectHints{Start: timestamp.FromTime(start), End: timestamp.FromTime(end), Func: "series", Limit: oneMore(limit)}
	list := []labels.Labels{}
	return a.look(r, hints.Start, hints.End, func(ctx context.Context, q storage.Querier) (any, bool, error) {
		var all []storage.SeriesSet
		for _, set := range sets {
			// Several are merged, which takes an order.
			all = append(all, q.Select(ctx, len(sets) > 1, hints, set...))
		}
		merged := all[0]
		if len(all) > 1 {
			merged = storage.NewMergeSeriesSet(all, 0, storage.ChainedSeriesMerge)
		}
		for merged.Next() {
			if limit > 0 && len(list) == limit {
				return list, true, nil
			}
			list = append(list, merged.At().Labels())
		}
		return list, false, merged.Err()
	})
}

// labelNames answers /labels: the names of labels, of series that match.
func (a lookups) labelNames(r *http.Request) answer {
	return a.texts(r, func(ctx context.Context, q storage.Querier, hints *storage.LabelHints, ms []*labels.Matcher) ([]string, error) {
		names, _, err := q.LabelNames(ctx, hints, ms...)
		return names, err
	})
}

// labelValues answers /label/{name}/values: the values of a label, of series that match.
func (a lookups) labelValues(r *http.Request) answer {
	name := r.PathValue("name")
	if strings.HasPrefix(name, "U__") {
		name = model.UnescapeName(name, model.ValueEncodingEscaping)
	}
	if !model.UTF8Validation.IsValidLabelName(name) {
		return refuse(fmt.Errorf("invalid label name: %q", name))
	}
	return a.texts(r, func(ctx context.Context, q storage.Querier, hints *storage.LabelHints, ms []*labels.Matcher) ([]string, error) {
		values, _, err := q.LabelValues(ctx, name, hints, ms...)
		return values, err
	})
}

// texts answers with distinct texts, ascending, of which get looks up those of one set
// of matchers.
func (a lookups) texts(r *http.Request, get func(context.Context, storage.Querier, *storage.LabelHints, []*labels.Matcher) ([]string, error)) answer {
	limit, err := parseLimit(r.FormValue("limit"))
	if err != nil {
		return refuseParameter("limit", err)
	}
	start, end, wrong := span(r)
	if wrong != nil {
		return *wrong
	}
	sets, err := parseMatchers(a.cfg.Queries.Parser, r.Form["match[]"])
	if err != nil {
		return refuse(err)
	}
	if len(sets) == 0 {
		sets = [][]*labels.Matcher{nil} // all series
	}
	hints := &storage.LabelHints{Limit: oneMore(limit)}
	return a.look(r, timestamp.FromTime(start), timestamp.FromTime(end), func(ctx context.Context, q storage.Querier) (any, bool, error) {
		all := []string{}
		for _, set := range sets {
			some, err := get(ctx, q, hints, set)
			if err != nil {
				return nil, false, err
			}
			if len(sets) == 1 && some != nil {
				all = some // in order; it may be the index's, and is only read
				break
			}
			all = append(all, some...)
		}
		if len(sets) > 1 {
			slices.Sort(all)
			all = slices.Compact(all)
		}
		if limit > 0 && len(all) > limit {
			return all[:limit], true, nil
		}
		return all, false, nil
	})
}

// look answers with what is looked up among the series from start to end, ms; more says
// that there was more than may be answered.
func (a lookups) look(r *http.Request, start, end int64, up func(context.Context, storage.Querier) (data any, more bool, err error)) answer {
	session := a.session(r)
	defer session.Close()
	ctx, leave := session.Within(r.Context())
	defer leave()
	q, err := session.Querier(start, end)
	if err != nil {
		return answer{err: a.failed(r, err)}
	}
	defer func() { _ = q.Close() }()
	data, more, err := up(ctx, q)
	if err != nil {
		return answer{err: a.failed(r, query.WhyEnded(ctx, err))}
	}
	var warnings annotations.Annotations
	if more {
		warnings = warnings.Add(errTruncated)
	}
	return answer{data: data, warnings: warnings}
}
