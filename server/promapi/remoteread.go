package promapi

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net/http"
	"slices"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"

	"laminar/flownode/promexpr"
	"laminar/ingest/budget"
	"laminar/query"
)

// Remote read hands samples to another Prometheus, which computes by itself. The answer
// is one message with all samples, or a stream of frames with chunks of series; the
// client says which of them it takes.
//
//	frame   uvarint: length of the message
//	        4 bytes, big-endian: CRC-32C of the message
//	        message: ChunkedReadResponse, chunks of one series

// frameBytes bounds a frame as long as no chunk is larger.
const frameBytes = 1 << 20

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// remoteReading answers /read.
type remoteReading struct{ *core }

// ServeHTTP answers a request.
func (a remoteReading) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	hold, err := a.bodies.Begin()
	if err != nil {
		a.refuseBody(w, err)
		return
	}
	defer hold.End()
	req, chunked, err := readRequest(r, &hold)
	if err != nil {
		a.refuseBody(w, err)
		return
	}
	// All queries of the request read one snapshot.
	session := a.cfg.Queries.Session()
	defer session.Close()
	ctx, leave := session.Within(r.Context())
	defer leave()
	out := &chunkWriter{w: w}
	var resp prompb.ReadResponse
	for i, q := range req.Queries {
		if err := a.one(ctx, session, q, chunked, func(set storage.SeriesSet) error {
			if chunked {
				return out.write(int64(i), set)
			}
			result, err := samplesOf(set, session.Hold)
			resp.Results = append(resp.Results, result)
			return err
		}); err != nil {
			a.refuse(w, r, query.WhyEnded(ctx, err), out.begun)
			return
		}
	}
	if chunked {
		out.begin()
		return
	}
	body, err := resp.Marshal()
	if err != nil {
		a.refuse(w, r, err, false)
		return
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	w.Header().Set("Content-Encoding", "snappy")
	_, _ = w.Write(snappy.Encode(nil, body)) // a client that has left needs no answer
}

// refuseBody answers a request whose body cannot be taken.
func (a remoteReading) refuseBody(w http.ResponseWriter, err error) {
	code := http.StatusBadRequest
	if errors.Is(err, budget.ErrBusy) {
		w.Header().Set("Retry-After", "1")
		code = http.StatusServiceUnavailable
	}
	http.Error(w, err.Error(), code)
}

// refuse answers with an error. Where a part of the answer has been sent, the connection
// is broken off: the client must not take it for the whole.
func (a remoteReading) refuse(w http.ResponseWriter, r *http.Request, err error, begun bool) {
	why := a.failed(r, err)
	if begun {
		a.cfg.Log.Warn("an answer to a remote read was broken off", "err", err)
		panic(http.ErrAbortHandler)
	}
	code := why.kind.code
	var many promql.ErrTooManySamples
	switch {
	case errors.As(err, &many):
		code = http.StatusBadRequest
	case why.wait:
		w.Header().Set("Retry-After", "1")
	}
	http.Error(w, why.text, code)
}

// readRequest reads a request, and whether its client takes chunks rather than samples.
func readRequest(r *http.Request, hold *budget.Hold) (req *prompb.ReadRequest, chunked bool, err error) {
	packed, err := readBody(r, hold, readBytes)
	if err != nil {
		return nil, false, err
	}
	n, err := snappy.DecodedLen(packed)
	if err != nil {
		return nil, false, err
	}
	if n > readBytes {
		return nil, false, errBody
	}
	if err := hold.Reserve(int64(readFactor * n)); err != nil {
		return nil, false, err
	}
	body, err := snappy.Decode(nil, packed)
	if err != nil {
		return nil, false, err
	}
	req = &prompb.ReadRequest{}
	if err := req.Unmarshal(body); err != nil {
		return nil, false, err
	}
	for _, t := range req.AcceptedResponseTypes {
		switch t {
		case prompb.ReadRequest_SAMPLES:
			return req, false, nil
		case prompb.ReadRequest_STREAMED_XOR_CHUNKS:
			return req, true, nil
		}
	}
	if len(req.AcceptedResponseTypes) > 0 {
		return nil, false, fmt.Errorf("server does not support any of the requested response types: %v", req.AcceptedResponseTypes)
	}
	return req, false, nil // as before there were types
}

// one reads the series of one query.
func (a remoteReading) one(ctx context.Context, from storage.Queryable, q *prompb.Query, sorted bool, use func(storage.SeriesSet) error) error {
	ms, err := matchersOf(q.Matchers)
	if err != nil {
		return err
	}
	querier, err := from.Querier(q.StartTimestampMs, q.EndTimestampMs)
	if err != nil {
		return err
	}
	// The session closes what the querier has: further queries use it, too.
	hints := &storage.SelectHints{Start: q.StartTimestampMs, End: q.EndTimestampMs}
	if h := q.Hints; h != nil {
		// The hints say more exactly what is needed; nothing is needed beyond the query.
		hints.Start, hints.End = max(hints.Start, h.StartMs), min(hints.End, h.EndMs)
		hints.Step, hints.Range, hints.Func, hints.Grouping, hints.By = h.StepMs, h.RangeMs, h.Func, h.Grouping, h.By
	}
	return use(querier.Select(ctx, sorted, hints, ms...))
}

func matchersOf(list []*prompb.LabelMatcher) ([]*labels.Matcher, error) {
	types := map[prompb.LabelMatcher_Type]labels.MatchType{
		prompb.LabelMatcher_EQ: labels.MatchEqual, prompb.LabelMatcher_NEQ: labels.MatchNotEqual,
		prompb.LabelMatcher_RE: labels.MatchRegexp, prompb.LabelMatcher_NRE: labels.MatchNotRegexp,
	}
	out := make([]*labels.Matcher, 0, len(list))
	for _, m := range list {
		t, ok := types[m.Type]
		if !ok {
			return nil, fmt.Errorf("unknown type of matcher: %d", m.Type)
		}
		if t == labels.MatchRegexp || t == labels.MatchNotRegexp {
			if err := promexpr.CheckRegexp(m.Value); err != nil {
				return nil, err
			}
		}
		matcher, err := labels.NewMatcher(t, m.Name, m.Value)
		if err != nil {
			return nil, err
		}
		out = append(out, matcher)
	}
	return out, nil
}

// messageFactor is how often a message of samples is in memory, about: as it is made, written,
// and compressed.
const messageFactor = 4

// samplesOf is the series of a set with their samples. hold counts the bytes that they take.
func samplesOf(set storage.SeriesSet, hold func(bytes int64) error) (*prompb.QueryResult, error) {
	out := &prompb.QueryResult{}
	var it chunkenc.Iterator
	for set.Next() {
		series := set.At()
		it = series.Iterator(it)
		ts := &prompb.TimeSeries{Labels: prompb.FromLabels(series.Labels(), nil)}
		for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
			switch kind {
			case chunkenc.ValHistogram:
				t, h := it.AtHistogram(nil)
				ts.Histograms = append(ts.Histograms, prompb.FromIntHistogram(t, h))
			case chunkenc.ValFloatHistogram:
				t, h := it.AtFloatHistogram(nil)
				ts.Histograms = append(ts.Histograms, prompb.FromFloatHistogram(t, h))
			default:
				t, v := it.At()
				ts.Samples = append(ts.Samples, prompb.Sample{Timestamp: t, Value: v})
			}
		}
		if err := it.Err(); err != nil {
			return nil, err
		}
		if err := hold(int64(messageFactor * ts.Size())); err != nil {
			return nil, err
		}
		out.Timeseries = append(out.Timeseries, ts)
	}
	return out, set.Err()
}

// chunkWriter writes frames.
type chunkWriter struct {
	w     http.ResponseWriter
	begun bool // the header has been written
	frame []byte
}

// begin writes the header.
func (c *chunkWriter) begin() {
	if !c.begun {
		c.begun = true
		c.w.Header().Set("Content-Type", "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse")
		c.w.WriteHeader(http.StatusOK)
	}
}

// write writes the series of a set, which are in order.
func (c *chunkWriter) write(index int64, set storage.SeriesSet) error {
	var it chunks.Iterator
	for set.Next() {
		series := storage.NewSeriesToChunkEncoder(set.At())
		it = series.Iterator(it)
		msg := prompb.ChunkedSeries{Labels: prompb.FromLabels(series.Labels(), nil)}
		size := 0
		for it.Next() {
			chunk := it.At()
			msg.Chunks = append(msg.Chunks, prompb.Chunk{
				MinTimeMs: chunk.MinTime, MaxTimeMs: chunk.MaxTime, Type: prompb.Chunk_Encoding(chunk.Chunk.Encoding()), Data: chunk.Chunk.Bytes(),
			})
			if size += len(chunk.Chunk.Bytes()); size >= frameBytes {
				if err := c.send(index, &msg); err != nil {
					return err
				}
				msg.Chunks, size = msg.Chunks[:0], 0
			}
		}
		if err := it.Err(); err != nil {
			return err
		}
		if len(msg.Chunks) > 0 {
			if err := c.send(index, &msg); err != nil {
				return err
			}
		}
	}
	return set.Err()
}

// send writes a frame.
func (c *chunkWriter) send(index int64, series *prompb.ChunkedSeries) error {
	body, err := (&prompb.ChunkedReadResponse{ChunkedSeries: []*prompb.ChunkedSeries{series}, QueryIndex: index}).Marshal()
	if err != nil {
		return err
	}
	c.begin()
	c.frame = binary.AppendUvarint(c.frame[:0], uint64(len(body)))
	c.frame = binary.BigEndian.AppendUint32(c.frame, crc32.Checksum(body, castagnoli))
	_, err = c.w.Write(slices.Concat(c.frame, body))
	return err
}
