package reading

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"laminar/cmd/bench/harness"
	"laminar/cmd/bench/lab"
	"laminar/cmd/bench/report"
	"laminar/cmd/bench/workload"
)

// What a round changes, and who follows it.
const (
	followRows    = 1000
	followClients = 100
	followFlow    = "followed"
	followPatient = 20 * time.Second // for what everybody is to get
)

// followed is the flow: a round follows each scrape, and changes every group of the open
// window.
var followed = fmt.Sprintf(`flows:
  - name: %s
    promql: sum by (instance, path) (sum_over_time(http_requests_total[1m]))
    every: 1m
    watermark_delay: 0s
    trigger: {samples: %d}
`, followFlow, followRows)

// followers measures how long after a commit those have its rows who subscribe to the flow,
// and what memory they take. When a commit was is what the change log says, by the same
// machine's clock: making it durable is part of the figure.
func followers(ctx context.Context, b *harness.Bench) error {
	commits := b.Plan.FollowCommits
	r, err := b.Lab.NewRig(ctx, "follow", 1, workload.RequestSeries(followRows), 0, int64(b.Plan.Rounds*commits+2), "--subscribe-max-streams", strconv.Itoa(2*followClients))
	if err != nil {
		return err
	}
	defer r.Close()
	if err := r.Laminar.Apply(ctx, followed); err != nil {
		return err
	}
	if _, err := r.Round(ctx); err != nil { // builds the state
		return err
	}
	before, err := memoryOf(ctx, r.Laminar)
	if err != nil {
		return err
	}
	f := &following{db: r.Laminar.DB, reached: make([][]reached, followClients), news: make(chan reached, followClients)}
	defer f.close()
	for i := range followClients {
		if err := f.open(ctx, r.Laminar.Process, i); err != nil {
			return err
		}
	}
	if err := f.await(ctx); err != nil { // they are told where the flow stands
		return err
	}
	after, err := memoryOf(ctx, r.Laminar)
	if err != nil {
		return err
	}
	b.Add(Number, followMemory, "kB", (after-before)/followClients/1e3)
	for range b.Plan.Rounds {
		from, err := f.position(ctx)
		if err != nil {
			return err
		}
		for range commits {
			if err := r.Store(ctx, 1); err != nil {
				return err
			}
			if _, err := r.Laminar.AwaitFlows(ctx); err != nil {
				return err
			}
			if err := f.await(ctx); err != nil {
				return err
			}
		}
		took, err := f.took(ctx, from)
		if err != nil {
			return err
		}
		b.Add(Number, followMedian, "ms", report.Median(took))
		slices.Sort(took)
		b.Add(Number, followMost, "ms", took[len(took)*99/100])
	}
	return r.Stop(ctx)
}

// memoryOf is the Go memory of a process in use, after a collection: heap and stacks.
func memoryOf(ctx context.Context, l *lab.Laminar) (float64, error) {
	heap, err := l.Heap(ctx)
	if err != nil {
		return 0, err
	}
	m, err := l.Metrics(ctx)
	return heap + m["go_memstats_stack_inuse_bytes"], err
}

// reached is that a client was told of a position.
type reached struct {
	client   int
	position int64
	at       time.Time
	err      error // instead: the stream has ended
}

// following is the clients, and what they were told.
type following struct {
	db      *lab.Database
	conns   []net.Conn
	readers sync.WaitGroup
	news    chan reached
	reached [][]reached // by client, in order
}

// open begins the stream of a client.
func (f *following) open(ctx context.Context, p *lab.Process, client int) error {
	at, err := url.Parse(p.URL("/"))
	if err != nil {
		return err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", at.Host)
	if err != nil {
		return err
	}
	f.conns = append(f.conns, conn)
	if _, err := fmt.Fprintf(conn, "GET /api/v1/subscribe?flow=%s&provisional=true&from=none HTTP/1.1\r\nHost: %s\r\n\r\n", followFlow, at.Host); err != nil {
		return err
	}
	f.readers.Go(func() {
		lines := bufio.NewReader(conn)
		for {
			text, err := lines.ReadSlice('\n')
			if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
				f.tell(ctx, reached{client: client, err: err})
				return
			}
			// Other lines are counted as read, and not looked at: it is about the server.
			if rest, is := bytes.CutPrefix(text, []byte(`{"type":"progress","position":"`)); is {
				now := time.Now()
				position, _, _ := strings.Cut(string(rest), `"`)
				n, err := strconv.ParseInt(position[strings.LastIndexByte(position, '.')+1:], 10, 64)
				f.tell(ctx, reached{client: client, position: n, at: now, err: err})
			}
		}
	})
	return nil
}

func (f *following) tell(ctx context.Context, r reached) {
	select {
	case f.news <- r:
	case <-ctx.Done():
	}
}

// position is where the flow stands.
func (f *following) position(ctx context.Context) (n int64, err error) {
	return n, f.db.Conn.QueryRow(ctx, "select position from laminar.flow where name = $1", followFlow).Scan(&n)
}

// await waits until all clients were told where the flow stands.
func (f *following) await(ctx context.Context) error {
	to, err := f.position(ctx)
	if err != nil {
		return err
	}
	patience := time.NewTimer(followPatient)
	defer patience.Stop()
	for {
		behind := 0
		for _, list := range f.reached {
			if len(list) == 0 || list[len(list)-1].position < to {
				behind++
			}
		}
		if behind == 0 {
			return nil
		}
		select {
		case r := <-f.news:
			if r.err != nil {
				return fmt.Errorf("client %d: %w", r.client, r.err)
			}
			f.reached[r.client] = append(f.reached[r.client], r)
		case <-patience.C:
			return fmt.Errorf("%d of %d clients are not told of position %d", behind, len(f.reached), to)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// took is how long each commit after a position took to each client, in ms.
func (f *following) took(ctx context.Context, from int64) (took []float64, err error) {
	rows, err := f.db.Conn.Query(ctx, `select c.position, max(c.at) from laminar.flow_change c join laminar.flow f on f.id = c.flow_id
where f.name = $1 and c.position > $2 group by c.position order by c.position`, followFlow, from)
	if err != nil {
		return nil, err
	}
	var (
		position int64
		at       time.Time
	)
	_, err = pgx.ForEachRow(rows, []any{&position, &at}, func() error {
		for client, list := range f.reached {
			i := slices.IndexFunc(list, func(r reached) bool { return r.position >= position })
			if i < 0 {
				return fmt.Errorf("client %d was not told of position %d", client, position)
			}
			took = append(took, harness.MS(list[i].at.Sub(at)))
		}
		return nil
	})
	if err == nil && len(took) == 0 {
		err = fmt.Errorf("there is no commit of %s after position %d", followFlow, from)
	}
	return took, err
}

// close ends all streams and waits for their readers.
func (f *following) close() {
	for _, c := range f.conns {
		_ = c.Close()
	}
	ended := make(chan struct{})
	go func() { f.readers.Wait(); close(ended) }()
	for {
		select {
		case <-f.news:
		case <-ended:
			return
		}
	}
}
