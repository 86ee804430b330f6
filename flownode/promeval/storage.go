package promeval

import (
	"context"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
)

// noLabelNames is the part of storage.Querier that evaluation never asks.
type noLabelNames struct{}

func (noLabelNames) LabelValues(context.Context, string, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (noLabelNames) LabelNames(context.Context, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (noLabelNames) Close() error { return nil }

// noWarnings is the part of storage.SeriesSet for sets in memory.
type noWarnings struct{}

func (noWarnings) Err() error                        { return nil }
func (noWarnings) Warnings() annotations.Annotations { return nil }
