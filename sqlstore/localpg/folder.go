package localpg

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// folder is an open directory whose files are named by one word each. It stays
// the directory that was checked, whatever happens to its path afterwards.
//
// A Laminar that is root must not do to root's files what another user asks it
// to do by putting a link, or a file of their own, where it expects its own:
//
//	T1  the directory belongs to one of its owners and only they can add,
//	    remove or rename files in it
//	T2  a file that is opened is a plain file, not a link, belongs to one of
//	    the owners, and other users cannot write to it
//	T3  owner and mode are read from, and changed on, what was opened, never by
//	    path
//
// A folder is for one goroutine.
type folder struct {
	root   *os.Root
	path   string   // for messages
	owners []uint32 // user ids
}

// openFolder opens a directory that belongs to one of the owners.
func openFolder(path string, owners ...uint32) (*folder, error) {
	before, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if before.Mode()&fs.ModeSymlink != 0 {
		hint := "the directory itself"
		if target, err := filepath.EvalSymlinks(path); err == nil {
			hint = "--data-dir " + target
		}
		return nil, &UntrustedError{Path: path, Why: "is a link", Do: hint}
	}
	return checkedFolder(path, before, owners)
}

// checkedFolder opens a directory and checks T1; before is what the caller has
// seen at the path.
func checkedFolder(path string, before fs.FileInfo, owners []uint32) (*folder, error) {
	if !before.IsDir() {
		return nil, &DirectoryError{Path: path, Err: errors.New("is not a directory")}
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	f := &folder{root: root, path: path, owners: owners}
	info, err := root.Stat(".")
	if err == nil {
		err = f.checkSelf(before, info)
	}
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return f, nil
}

func (f *folder) checkSelf(before, info fs.FileInfo) error {
	owner := ownerOf(info)
	switch {
	case !os.SameFile(before, info):
		return &UntrustedError{Path: f.path, Why: "was replaced while it was opened", Do: "a directory below one that nobody else can write to"}
	case !slices.Contains(f.owners, owner):
		return &UntrustedError{
			Path: f.path, Why: "belongs to " + userName(owner),
			Do: fmt.Sprintf("run laminar as %s, another --data-dir, or, if you trust what is in it, chown -R %s %s", userName(owner), userName(uid()), f.path),
		}
	case info.Mode().Perm()&0o022 != 0:
		e := &UntrustedError{
			Path: f.path, Why: fmt.Sprintf("can be written to by others (mode %04o)", info.Mode().Perm()),
			Do: "--data-dir " + filepath.Join(f.path, "laminar"),
		}
		if info.Mode()&fs.ModeSticky == 0 { // else it is meant for everybody, as /tmp is
			e.Do += ", or chmod go-w " + f.path
		}
		return e
	}
	return nil
}

// close gives the directory back.
func (f *folder) close() error { return f.root.Close() }

// file opens a plain file as T2 wants it. flag never truncates: what is opened
// must first be known to be ours.
func (f *folder) file(name string, flag int, perm fs.FileMode) (*os.File, error) {
	if info, err := f.root.Lstat(name); err == nil && !info.Mode().IsRegular() {
		return nil, f.untrusted(name, info)
	}
	// Not blocking, should it become a pipe between the two.
	file, err := f.root.OpenFile(name, flag|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, perm)
	if err != nil {
		return nil, err
	}
	if err := f.check(file, name, f.owners); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// check looks at what was opened under a name, which must be what the name
// itself stands for and no link to it.
func (f *folder) check(file *os.File, name string, owners []uint32) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	named, err := f.root.Lstat(name)
	switch {
	case err != nil:
		return err
	case !os.SameFile(info, named):
		return f.untrusted(name, named)
	case !slices.Contains(owners, ownerOf(info)), info.Mode().Perm()&0o022 != 0:
		return f.untrusted(name, info)
	}
	return nil
}

// untrusted says what is wrong with a name.
func (f *folder) untrusted(name string, info fs.FileInfo) error {
	path := filepath.Join(f.path, name)
	e := &UntrustedError{Path: path, Do: "look at what it is, then remove it: rm " + path}
	switch owner := ownerOf(info); {
	case info.Mode()&fs.ModeSymlink != 0:
		e.Why = "is a link"
		if target, err := f.root.Readlink(name); err == nil {
			e.Why += " to " + target
		}
	case !info.Mode().IsRegular() && !info.IsDir():
		e.Why = "is not a plain file"
	case !slices.Contains(f.owners, owner):
		e.Why = "belongs to " + userName(owner)
	case info.Mode().Perm()&0o022 != 0:
		e.Why = fmt.Sprintf("can be written to by others (mode %04o)", info.Mode().Perm())
		e.Do = "look at what is in it, then chmod go-w " + path
	default:
		e.Why = "is a directory where a file should be, or the reverse"
	}
	return e
}

// read returns what a file holds.
func (f *folder) read(name string) ([]byte, error) {
	file, err := f.file(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(file)
	return text, errors.Join(err, file.Close())
}

// replace writes a file that only who can read, all or nothing.
func (f *folder) replace(name string, text []byte, who account) error {
	temp := name + "." + rand.Text()
	file, err := f.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	err = errors.Join(err, who.ownFile(file), file.Sync(), file.Close())
	if err == nil {
		err = f.root.Rename(temp, name)
	}
	if err != nil {
		return errors.Join(err, f.root.Remove(temp))
	}
	return nil
}

// makeDir makes an empty directory that only the account can enter, or takes
// the one that is there.
func (f *folder) makeDir(name string, who account) (err error) {
	if err := f.root.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if info, err := f.root.Lstat(name); err != nil || !info.IsDir() {
		return errors.Join(err, f.untrusted(name, info))
	}
	dir, err := f.root.OpenFile(name, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	if err := f.check(dir, name, append([]uint32{who.uid()}, f.owners...)); err != nil {
		return err
	}
	return errors.Join(dir.Chmod(0o700), who.ownFile(dir))
}

// sync makes what was made, renamed and removed in the directory durable.
func (f *folder) sync() error {
	dir, err := f.root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// give makes the directory the account's.
func (f *folder) give(who account) error {
	dir, err := f.root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(who.ownFile(dir), dir.Close())
}

// ownerOf is the user id that a file belongs to.
func ownerOf(info fs.FileInfo) uint32 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return stat.Uid
	}
	return ^uint32(0) // no user has this id
}

func userName(id uint32) string {
	number := strconv.FormatUint(uint64(id), 10)
	if found, err := user.LookupId(number); err == nil {
		return found.Username
	}
	return "uid " + number
}

// controlled returns the innermost directory above path, links resolved, in which a
// user who is neither root nor this one can replace or rename things, and that user;
// "" if there is none.
func controlled(path string) (dir, by string) {
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return "", ""
	}
	for ; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		switch {
		case err != nil:
			return "", ""
		case ownerOf(info) != 0 && ownerOf(info) != uid():
			return dir, userName(ownerOf(info))
		case info.Mode().Perm()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0:
			return dir, "every user"
		case dir == filepath.Dir(dir):
			return "", ""
		}
	}
}
