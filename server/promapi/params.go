package promapi

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

// The times that stand for "as early, or late, as there is anything", as Prometheus's
// client libraries send them. They lie outside of what RFC 3339 can be read as.
var (
	earliest = time.Unix(math.MinInt64/1000+62135596801, 0).UTC()
	latest   = time.Unix(math.MaxInt64/1000-62135596801, 999999999).UTC()
)

// parseTime reads seconds since the epoch, to the millisecond, or RFC 3339.
func parseTime(text string) (time.Time, error) {
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		whole, part := math.Modf(seconds)
		part = math.Round(part*1000) / 1000
		return time.Unix(int64(whole), int64(part*float64(time.Second))).UTC(), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t, nil
	}
	// Years of more than four digits are not read as times.
	switch text {
	case "-292273086-05-16T16:47:06Z":
		return earliest, nil
	case "292277025-08-18T07:12:54.999999999Z":
		return latest, nil
	}
	return time.Time{}, fmt.Errorf("cannot parse %q to a valid timestamp", text)
}

// timeOr is a parameter that is a time, or what counts where it is left out.
func timeOr(r *http.Request, name string, otherwise time.Time) (time.Time, error) {
	text := r.FormValue(name)
	if text == "" {
		return otherwise, nil
	}
	t, err := parseTime(text)
	if err != nil {
		return time.Time{}, fmt.Errorf("invalid time value for '%s': %w", name, err)
	}
	return t, nil
}

// parseDuration reads seconds, or a duration as PromQL spells it.
func parseDuration(text string) (time.Duration, error) {
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		ns := seconds * float64(time.Second)
		if ns > float64(math.MaxInt64) || ns < float64(math.MinInt64) {
			return 0, fmt.Errorf("cannot parse %q to a valid duration. It overflows int64", text)
		}
		return time.Duration(ns), nil
	}
	d, err := model.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("cannot parse %q to a valid duration", text)
	}
	return time.Duration(d), nil
}

// parseLimit reads how much may be answered; 0 stands for no limit.
func parseLimit(text string) (int, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	switch {
	case err != nil:
		return n, err
	case n < 0:
		return n, errors.New("limit must be non-negative")
	}
	return n, nil
}

// oneMore is a limit for reading, which shows whether there is more than may be answered.
func oneMore(limit int) int {
	if limit > 0 && limit < math.MaxInt {
		return limit + 1
	}
	return limit
}

// errTruncated is the warning that there is more than was answered.
var errTruncated = errors.New("results truncated due to limit")

// errLimit says that a limit of /status/tsdb is none.
var errLimit = errors.New("limit must be a positive number")

// notNumber says that a parameter is no number.
func notNumber(name string) error { return fmt.Errorf("%s must be a number", name) }

// parseMatchers reads selectors, each of which must leave something out.
func parseMatchers(p parser.Parser, selectors []string) ([][]*labels.Matcher, error) {
	sets, err := p.ParseMetricSelectors(selectors)
	if err != nil {
		return nil, err
	}
	for _, set := range sets {
		if matchesEmpty(set) {
			return nil, errors.New("match[] must contain at least one non-empty matcher")
		}
	}
	return sets, nil
}

// matchesEmpty reports whether every matcher accepts a label that is missing.
func matchesEmpty(ms []*labels.Matcher) bool {
	for _, m := range ms {
		if m != nil && !m.Matches("") {
			return false
		}
	}
	return true
}

// Values of the parameter stats; the engine keeps none by step.
const (
	statsTrue = "true"
	statsAll  = "all"
)

// statsWarning warns of a value of stats that Prometheus is about to refuse.
func statsWarning(value string) error {
	switch value {
	case "", statsTrue, statsAll:
		return nil
	}
	return fmt.Errorf("value %q for parameter \"stats\" is deprecated and will be rejected in the next major release, use %q or %q", value, statsTrue, statsAll)
}

// queryOptions is what a request says of how it is evaluated.
func queryOptions(r *http.Request) (promql.QueryOpts, error) {
	var lookback time.Duration // 0 for the engine's
	if text := r.FormValue("lookback_delta"); text != "" {
		var err error
		if lookback, err = parseDuration(text); err != nil {
			return nil, fmt.Errorf("error parsing lookback delta duration: %w", err)
		}
	}
	return promql.NewPrometheusQueryOpts(r.FormValue("stats") == statsAll, lookback), nil
}
