package sqltest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

var syncMessage = []byte{'S', 0, 0, 0, 4}

func cString(b []byte) (text string, rest []byte) {
	before, after, _ := bytes.Cut(b, []byte{0})
	return string(before), after
}

// readStartup reads the first message of a client, which has no type.
func readStartup(r io.Reader) ([]byte, error) { return readSized(r, nil) }

// isCancel tells a request to cancel. A client that lost its connection sends
// one, which may or may not come in time: the proxy lets none through, so that
// a test knows what the server will do.
func isCancel(startup []byte) bool {
	const cancelRequest = 80877102
	return len(startup) >= 8 && binary.BigEndian.Uint32(startup[4:]) == cancelRequest
}

// readMessage reads one message of the protocol: type, length, body.
func readMessage(r io.Reader) ([]byte, error) {
	kind := make([]byte, 1)
	if _, err := io.ReadFull(r, kind); err != nil {
		return nil, err
	}
	return readSized(r, kind)
}

func readSized(r io.Reader, head []byte) ([]byte, error) {
	size := make([]byte, 4)
	if _, err := io.ReadFull(r, size); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(size)
	if n < 4 || n > 1<<30 {
		return nil, fmt.Errorf("message of %d bytes", n)
	}
	msg := append(append(make([]byte, 0, len(head)+int(n)), head...), size...)
	msg = msg[:len(head)+int(n)]
	_, err := io.ReadFull(r, msg[len(head)+4:])
	return msg, err
}

// statementName is a statement as filters know it.
func statementName(text string) string {
	if rest, ok := strings.CutPrefix(text, "-- "); ok {
		if name, _, ok := strings.Cut(rest, ":"); ok && !strings.ContainsAny(name, " \n") {
			return name
		}
	}
	return strings.ToLower(strings.Trim(text, " ;\n"))
}

// serverAddress is where the server of a configuration listens.
func serverAddress(cfg *pgx.ConnConfig) (network, address string) {
	if strings.HasPrefix(cfg.Host, "/") {
		return "unix", cfg.Host + "/.s.PGSQL." + portOf(cfg)
	}
	return "tcp", net.JoinHostPort(cfg.Host, portOf(cfg))
}

func portOf(cfg *pgx.ConnConfig) string { return strconv.Itoa(int(cfg.Port)) }
