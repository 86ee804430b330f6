package localpg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// MinMajor is the oldest major version of PostgreSQL that is used.
const MinMajor = 13

// Binaries are the server programs of one PostgreSQL installation.
type Binaries struct {
	Dir     string // absolute, holds at least postgres and initdb
	Major   int    // at least MinMajor
	Version string // as the server prints it, "15.18"
}

// Find returns the server binaries to use: those in LAMINAR_PG_BIN if it is
// set, else the first of what PATH, pg_config, the usual directories of Linux
// distributions (newest first), Homebrew and .tools beside the program's own
// directory hold. It returns a *NotFoundError if there are none.
func Find(ctx context.Context) (Binaries, error) { return find(ctx, 0) }

// Psql returns the path of psql: of this installation if it has one, else of
// PATH.
func (b Binaries) Psql() (string, error) {
	own := filepath.Join(b.Dir, "psql")
	if _, err := os.Stat(own); err == nil {
		return own, nil
	}
	path, err := exec.LookPath("psql")
	if err != nil {
		return "", fmt.Errorf("find psql in %s and PATH: %w", b.Dir, err)
	}
	return path, nil
}

func (b Binaries) program(name string) string { return filepath.Join(b.Dir, name) }

// find is Find for a cluster of one major version; 0 takes any.
func find(ctx context.Context, major int) (Binaries, error) {
	notFound := &NotFoundError{Want: major}
	for _, place := range places(ctx) {
		found, err := examine(ctx, place.dir)
		switch {
		case err != nil:
			notFound.Looked = append(notFound.Looked, fmt.Sprintf("%s: %v", place.name, err))
		case major == 0 && found.Major < MinMajor, major != 0 && found.Major != major:
			notFound.Looked = append(notFound.Looked, fmt.Sprintf("%s: %s is version %s", place.name, found.Dir, found.Version))
		default:
			return found, nil
		}
	}
	return Binaries{}, notFound
}

// place is somewhere to look; name is how messages call it, dir may be empty
// when the place does not exist.
type place struct{ name, dir string }

func places(ctx context.Context) []place {
	if dir := os.Getenv("LAMINAR_PG_BIN"); dir != "" {
		return []place{{"LAMINAR_PG_BIN", dir}}
	}
	list := []place{{"PATH", pathDir()}, {"pg_config", configDir(ctx)}}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin",
		"/usr/pgsql-*/bin",
		"/opt/homebrew/opt/postgresql@*/bin",
		"/usr/local/opt/postgresql@*/bin",
		"/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
	} {
		dirs, _ := filepath.Glob(pattern) // the only error is a malformed pattern
		slices.SortStableFunc(dirs, func(a, b string) int { return number(b) - number(a) })
		for _, dir := range dirs {
			list = append(list, place{pattern, dir})
		}
	}
	if self, err := os.Executable(); err == nil {
		list = append(list, place{".tools", filepath.Join(filepath.Dir(filepath.Dir(self)), ".tools", "postgresql", "bin")})
	}
	return list
}

// pathDir is the real directory of the postgres in PATH: a link alone does not
// have initdb and the server's other files beside it.
func pathDir() string {
	path, err := exec.LookPath("postgres")
	if err != nil {
		return ""
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return ""
	}
	return filepath.Dir(path)
}

func configDir(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

var versionPattern = regexp.MustCompile(`\(PostgreSQL\) ((\d+)[^ \n]*)`)

// examine looks at what a directory really holds, by running it.
func examine(ctx context.Context, dir string) (Binaries, error) {
	if dir == "" {
		return Binaries{}, errors.New("nothing there")
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return Binaries{}, err
	}
	b := Binaries{Dir: abs}
	if _, err := os.Stat(b.program("initdb")); err != nil {
		return Binaries{}, fmt.Errorf("no initdb in %s", abs)
	}
	out, err := exec.CommandContext(ctx, b.program("postgres"), "--version").Output()
	if err != nil {
		return Binaries{}, fmt.Errorf("run postgres --version: %w", err)
	}
	match := versionPattern.FindSubmatch(out)
	if match == nil {
		return Binaries{}, fmt.Errorf("postgres --version says %q", strings.TrimSpace(string(out)))
	}
	b.Version = string(match[1])
	b.Major, err = strconv.Atoi(string(match[2]))
	return b, err
}

var digits = regexp.MustCompile(`\d+`)

// number is the version number in a directory's name, 0 if it has none.
func number(dir string) int {
	n, _ := strconv.Atoi(digits.FindString(dir))
	return n
}

// NotFoundError says that there are no PostgreSQL server binaries that can be
// used, and where they were looked for.
type NotFoundError struct {
	Want   int      // the major version an existing cluster needs; 0 if any will do
	Looked []string // what was found there, one place each
}

func (e *NotFoundError) Error() string {
	what := fmt.Sprintf("PostgreSQL %d or newer", MinMajor)
	if e.Want != 0 {
		what = fmt.Sprintf("PostgreSQL %d, which made the cluster in the data directory,", e.Want)
	}
	return fmt.Sprintf("no server binaries of %s were found (%s)", what, strings.Join(e.Looked, "; "))
}

// Hint tells the user what to do about it.
func (e *NotFoundError) Hint() string {
	if e.Want != 0 {
		return fmt.Sprintf("apt install postgresql-%d, or set LAMINAR_PG_BIN to the directory of its binaries", e.Want)
	}
	return "apt install postgresql, set LAMINAR_PG_BIN to the directory of the binaries, or give a --database-url"
}
