package yamltext

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"sort"
	"strings"

	"go.yaml.in/yaml/v3"
)

// yamlFault is how the YAML parser words a fault; its message is what follows.
var yamlFault = regexp.MustCompile(`^yaml: (?:line \d+: )?(.*)`)

// scanAhead is how many bytes are parsed behind a fault found by halving, for a
// construct over several lines that only looks like a fault where it is cut.
const scanAhead = 2 << 20

// Fault says where a text is no YAML, and why. err is what the parser
// said of it, which names the line where the construct began that a fault is
// in, or the line before it, or none.
//
// The fault is in the first line with which the text does not parse, however
// few lines follow it: everything before that line is YAML by itself. In a
// construct over several lines that is the line it begins in.
func Fault(data []byte, err error) (line int, message string) {
	message = err.Error()
	if m := yamlFault.FindStringSubmatch(message); m != nil {
		message = m[1]
	}
	lines := bytes.SplitAfter(data, []byte("\n"))
	parses := func(n int) bool {
		dec := yaml.NewDecoder(bytes.NewReader(bytes.Join(lines[:n], nil)))
		for {
			var doc yaml.Node
			if err := dec.Decode(&doc); err != nil {
				return errors.Is(err, io.EOF)
			}
		}
	}
	// Halving finds how many lines from the top parse, as if one that does not
	// made all longer beginnings fail. Where a construct over several lines closes
	// further down, a longer beginning parses again: the loop looks for such.
	good := sort.Search(len(lines)+1, func(n int) bool { return n > 0 && !parses(n) }) - 1
	size := len(bytes.Join(lines[:good], nil))
	for n, budget := good+1, scanAhead; n <= len(lines) && budget > 0; n++ {
		size += len(lines[n-1])
		budget -= size
		if parses(n) {
			good = n
		}
	}
	// The fault is in the next line that says anything.
	for good < len(lines)-1 {
		if text := strings.TrimSpace(string(lines[good])); text != "" && !strings.HasPrefix(text, "#") {
			break
		}
		good++
	}
	return good + 1, message
}
