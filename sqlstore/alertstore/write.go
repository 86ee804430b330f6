package alertstore

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/prometheus/model/labels"

	"laminar/flownode/alert"
	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	queries "laminar/queries/alert"
)

// fingerprint is what an alert is found by, beside its flow: 8 bytes of the SHA-256 of
// its labels. The labels themselves can be longer than an index takes.
func fingerprint(text string) int64 {
	sum := sha256.Sum256([]byte(text))
	return int64(binary.BigEndian.Uint64(sum[:8]))
}

// instances is alerts as columns, for one statement.
type instances struct {
	prints                        []int64
	labels, annotations, phases   []string
	values                        []float64
	active, fired, resolved, kept []int64
}

func (c *instances) add(i *alert.Instance) {
	text := flowdef.GroupKey(i.Labels)
	c.prints, c.labels = append(c.prints, fingerprint(text)), append(c.labels, text)
	c.annotations, c.phases = append(c.annotations, flowdef.GroupKey(i.Annotations)), append(c.phases, string(i.Phase))
	c.values, c.active = append(c.values, i.Value), append(c.active, i.ActiveAt)
	c.fired, c.resolved, c.kept = append(c.fired, i.FiredAt), append(c.resolved, i.ResolvedAt), append(c.kept, i.KeptSince)
}

// Queue adds the statements that store what a round made of the alerts of a flow. The
// flow is locked by the transaction.
func Queue(batch *pgx.Batch, flow progress.FlowID, u *alert.Update) {
	id := int32(flow)
	if len(u.Remove) > 0 {
		prints := make([]int64, len(u.Remove))
		for i, lset := range u.Remove {
			prints[i] = fingerprint(flowdef.GroupKey(lset))
		}
		batch.Queue(queries.AlertRemove, id, prints)
	}
	if len(u.Put) > 0 {
		var c instances
		for _, i := range u.Put {
			c.add(i)
		}
		batch.Queue(queries.AlertPut, id, c.prints, c.labels, c.annotations, c.phases, c.values, c.active, c.fired, c.resolved, c.kept)
	}
	if len(u.Withdrawn) > 0 {
		batch.Queue(queries.HistoryWithdraw, id, u.Withdrawn)
	}
	if len(u.Changes) > 0 {
		queueChanges(batch, id, u.Changes)
	}
	if len(u.Notices) > 0 {
		queueNotices(batch, id, u.Notices)
	}
}

func queueChanges(batch *pgx.Batch, flow int32, changes []alert.Change) {
	var (
		c         instances
		ends      []int64
		reasons   []string
		corrected []bool
	)
	for i := range changes {
		c.add(&changes[i].Instance)
		ends, reasons = append(ends, changes[i].At), append(reasons, string(changes[i].Reason))
		corrected = append(corrected, changes[i].Corrected)
	}
	batch.Queue(queries.HistoryAdd, flow, c.prints, c.labels, c.annotations, ends, c.phases, reasons, c.values, c.active, c.fired, c.resolved, c.kept, corrected)
}

func queueNotices(batch *pgx.Batch, flow int32, notices []alert.Notice) {
	var (
		prints, windows, starts, ends []int64
		lsets, annotations, phases    []string
		values                        []float64
		corrected                     []bool
	)
	for i := range notices {
		n := &notices[i]
		text := flowdef.GroupKey(n.Labels)
		prints, lsets, annotations = append(prints, fingerprint(text)), append(lsets, text), append(annotations, flowdef.GroupKey(n.Annotations))
		windows, phases, values = append(windows, n.At), append(phases, string(n.Phase)), append(values, n.Value)
		starts, ends, corrected = append(starts, n.StartsAt), append(ends, n.EndsAt), append(corrected, n.Corrected)
	}
	batch.Queue(queries.NoticeAdd, flow, prints, lsets, annotations, windows, phases, values, starts, ends, corrected)
}

// labelsOf reads a label set as it is stored.
func labelsOf(text string) labels.Labels { return flowdef.GroupKeyLabels(text) }
