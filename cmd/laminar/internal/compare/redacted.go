package compare

import "net/url"

// redacted is an address without the password in it.
func redacted(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "the address of --prometheus"
	}
	return u.Redacted()
}
