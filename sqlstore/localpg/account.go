package localpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// account is the OS user that the server runs as. The zero credential means
// the user we are ourselves.
type account struct {
	name       string
	credential *syscall.Credential
}

// candidates are the OS users a Laminar that is root drops to, best first. The
// first is made for the purpose, the others exist everywhere.
var candidates = []string{"postgres", "laminar", "daemon", "nobody"}

// chooseAccount finds the OS user for the server of a data directory: an
// existing cluster's owner, else want if it is not empty, else the first
// candidate that exists. An ordinary user runs it as itself.
func chooseAccount(l layout, want string) (account, error) {
	if os.Geteuid() != 0 {
		return account{name: "uid " + strconv.Itoa(os.Geteuid())}, nil
	}
	if info, err := os.Stat(l.cluster()); err == nil {
		if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Uid != 0 {
			return newAccount(stat.Uid, stat.Gid), nil
		}
	}
	names := candidates
	if want != "" {
		names = []string{want}
	}
	for _, name := range names {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(found.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(found.Gid, 10, 32)
		if uidErr == nil && gidErr == nil && uid != 0 {
			return newAccount(uint32(uid), uint32(gid)), nil
		}
	}
	return account{}, fmt.Errorf("PostgreSQL does not run as root, and none of the OS users %v exists to run it as", names)
}

func newAccount(uid, gid uint32) account {
	name := "uid " + strconv.Itoa(int(uid))
	if found, err := user.LookupId(strconv.Itoa(int(uid))); err == nil {
		name = found.Username
	}
	return account{name, &syscall.Credential{Uid: uid, Gid: gid}}
}

// uid is our own user id.
func uid() uint32 { return uint32(os.Geteuid()) }

// uid is the user id of the account.
func (a account) uid() uint32 {
	if a.credential == nil {
		return uid()
	}
	return a.credential.Uid
}

// ownFile gives an open file or directory to the account.
func (a account) ownFile(file *os.File) error {
	if a.credential == nil {
		return nil
	}
	return file.Chown(int(a.credential.Uid), int(a.credential.Gid))
}

// command is exec.Command as the account, in its directory, in a process group
// of its own and with nothing of our environment that PostgreSQL would read.
func (a account) command(ctx context.Context, dir, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	cmd.Env = serverEnviron()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: a.credential}
	return cmd
}

// reach checks that the account can run the binaries and enter the directory,
// as far as it exists, by doing both: modes alone do not tell (access lists,
// mounts, namespaces).
func (a account) reach(ctx context.Context, b Binaries, dir string) error {
	if a.credential == nil {
		return nil
	}
	if out, err := a.command(ctx, "/", b.program("postgres"), "--version").CombinedOutput(); err != nil {
		return fmt.Errorf("run %s as OS user %s: %w: %s", b.program("postgres"), a.name, err, out)
	}
	for _, d := range withParents(dir) {
		if _, err := os.Stat(d); errors.Is(err, fs.ErrNotExist) {
			return nil // what Start makes it can enter
		}
		if err := a.command(ctx, d, b.program("postgres"), "--version").Run(); err != nil {
			return &UnreachableError{Dir: dir, User: a.name, Blocked: d}
		}
	}
	return nil
}

// withParents lists dir and all directories above it, outermost first.
func withParents(dir string) []string {
	if parent := filepath.Dir(dir); parent != dir {
		return append(withParents(parent), dir)
	}
	return []string{dir}
}

// serverEnviron is our environment without the variables that PostgreSQL's
// programs read, which are about some other server.
func serverEnviron() []string {
	env := slices.DeleteFunc(os.Environ(), func(entry string) bool {
		return strings.HasPrefix(entry, "PG") || strings.HasPrefix(entry, "LC_") || strings.HasPrefix(entry, "LANG")
	})
	return append(env, "LC_ALL=C")
}
