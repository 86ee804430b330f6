package pg

import (
	"errors"
	"io"
	"testing"
)

// signalReader tells when a Read has begun and ends it when told.
type signalReader struct{ begun, end chan struct{} }

func (r signalReader) Read(p []byte) (int, error) {
	close(r.begun)
	<-r.end
	return len(p), nil
}

// TestTakenBackStreamIsNotRead: a straggler's Read is waited for, and none
// begins after the stream has been taken back.
func TestTakenBackStreamIsNotRead(t *testing.T) {
	inner := signalReader{make(chan struct{}), make(chan struct{})}
	lent := &lentReader{r: inner}
	read := make(chan int, 1)
	go func() {
		n, _ := lent.Read(make([]byte, 8))
		read <- n
	}()
	<-inner.begun
	back := make(chan struct{})
	go func() {
		lent.takeBack()
		close(back)
	}()
	select {
	case <-back:
		t.Fatal("taken back during a Read")
	default:
	}
	close(inner.end)
	<-back
	if n := <-read; n != 8 {
		t.Errorf("the Read under way gave %d bytes", n)
	}
	if n, err := lent.Read(make([]byte, 8)); n != 0 || !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a later Read gave %d bytes, %v", n, err)
	}
}
