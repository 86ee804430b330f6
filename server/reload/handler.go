package reload

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"strconv"

	"laminar/flownode/flowdef"
	"laminar/sequence"
	"laminar/server/view"
	"laminar/sqlstore/flowstore"
)

// Handler reloads on POST: what the files say is in the catalogue when it answers
// 200. Only admins get here, so errors are answered in full.
//
//	400  the files hold faults, or there are none
//	409  flows have changed, or others hold what is to be changed
//	503  the database is out of reach
func (l *Loader) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var opts Options
		for name, into := range map[string]*bool{"replace": &opts.Replace, "prune": &opts.Prune} {
			text := r.URL.Query().Get(name)
			if text == "" {
				continue
			}
			value, err := strconv.ParseBool(text)
			if err != nil {
				http.Error(w, name+": want true or false", http.StatusBadRequest)
				return
			}
			*into = value
		}
		out, err := l.Load(r.Context(), opts)
		if err != nil {
			text := err.Error()
			var hinted interface{ Hint() string }
			if errors.As(err, &hinted) {
				text += "\nTry: " + hinted.Hint()
			}
			l.log.Error("definitions are not reloaded: everything goes on as it was", "err", err)
			http.Error(w, text, statusOf(err))
			return
		}
		w.Header().Set("Content-Type", "application/json")
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		_ = enc.Encode(view.NewReloaded(out.Applied, out.Left)) // a client that has left needs no answer
	})
}

// statusOf is how an error is answered.
func statusOf(err error) int {
	var changed *ChangedError
	switch {
	case errors.As(err, &changed), errors.Is(err, sequence.ErrLocked):
		return http.StatusConflict
	case errors.Is(err, sequence.ErrUnavailable), errors.Is(err, sequence.ErrCommitUnknown):
		return http.StatusServiceUnavailable
	}
	var problem flowdef.Problem
	var problems *flowstore.ProblemsError
	var none *NoFilesError
	if errors.As(err, &problem) || errors.As(err, &problems) || errors.As(err, &none) || errors.Is(err, fs.ErrNotExist) {
		return http.StatusBadRequest
	}
	return http.StatusInternalServerError
}
