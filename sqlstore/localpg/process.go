package localpg

import (
	"os/exec"
	"runtime"
	"syscall"
)

// process is a started child that one goroutine waits for. That goroutine ends
// with the child.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the child has ended
	err  error         // how it ended; to be read after done is closed
}

// startProcess starts the command and waits for it in the background. With
// dieWithUs the child is asked to shut down (SIGINT, PostgreSQL's fast
// shutdown) when this process dies, on systems whose kernel can do that.
func startProcess(cmd *exec.Cmd, dieWithUs bool) (*process, error) {
	p := &process{cmd: cmd, done: make(chan struct{})}
	if dieWithUs {
		setParentDeathSignal(cmd.SysProcAttr, syscall.SIGINT)
	}
	started := make(chan error)
	go func() {
		// The signal is sent when the *thread* that forked ends, so this
		// goroutine keeps its thread for itself until the child is gone.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// ended says whether the child has ended.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// signal sends a signal to the child; a child that has ended gets none.
func (p *process) signal(sig syscall.Signal) {
	if !p.ended() {
		_ = p.cmd.Process.Signal(sig) // fails only if the child has just ended, which done tells
	}
}
