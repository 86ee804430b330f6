package remotewrite

import (
	"fmt"
	"net/http"
	"strings"
)

// version is which of its messages, and rules, a request of remote write has.
type version int

const (
	version1 version = iota // prometheus.WriteRequest, remote write 1.0
	version2                // io.prometheus.write.v2.Request, remote write 2.0
)

const (
	mediaType = "application/x-protobuf"
	protoV1   = "prometheus.WriteRequest"
	protoV2   = "io.prometheus.write.v2.Request"
)

// negotiate checks method, type and encoding. The message type decides how a
// body is read: a 2.0 message read as 1.0 is an empty one, not an error.
func negotiate(r *http.Request, byDefault encoding) (version, encoding, error) {
	if r.Method != http.MethodPost {
		return 0, 0, errMethod
	}
	ver, err := versionOf(r.Header.Get("Content-Type"))
	if err != nil {
		return 0, 0, err
	}
	// Names of encodings are the same in upper and lower case (RFC 9110).
	switch enc := r.Header.Get("Content-Encoding"); strings.ToLower(strings.TrimSpace(enc)) {
	case "":
		return ver, byDefault, nil
	case "snappy":
		return ver, encodingSnappy, nil
	case "zstd":
		return ver, encodingZstd, nil
	default:
		return 0, 0, fmt.Errorf("%w: content encoding %q, want snappy or zstd", errUnsupported, enc)
	}
}

// versionOf reads a Content-Type. Senders that name no message, or send no
// header at all, speak 1.0.
func versionOf(header string) (version, error) {
	if header == "" {
		return version1, nil
	}
	kind, parameters, more := strings.Cut(header, ";")
	if kind = strings.TrimSpace(kind); !strings.EqualFold(kind, mediaType) {
		return 0, fmt.Errorf("%w: content type %q, want %s", errUnsupported, kind, mediaType)
	}
	for more {
		var part string
		part, parameters, more = strings.Cut(parameters, ";")
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			return 0, fmt.Errorf("%w: content type %q has a malformed parameter", errUnsupported, header)
		}
		if !strings.EqualFold(strings.TrimSpace(name), "proto") {
			continue
		}
		switch value = strings.Trim(strings.TrimSpace(value), `"`); value {
		case protoV1:
			return version1, nil
		case protoV2:
			return version2, nil
		default:
			return 0, fmt.Errorf("%w: message %q, want %s or %s", errUnsupported, value, protoV2, protoV1)
		}
	}
	return version1, nil
}
