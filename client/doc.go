// Package client follows the results of flows over HTTP: it reads subscriptions of one or
// several Laminar installations, goes on where a connection broke, and hands out what is new
// in batches.
//
//	stream := client.Open(client.Source{URLs: []string{"http://localhost:9201"}, Flows: []string{"job:http_requests:rate5m"}})
//	defer stream.Close()
//	for {
//		batch, err := stream.Next(ctx)
//		if err != nil {
//			return err
//		}
//		// In one transaction: if batch.Reset, empty the copy and the stored position;
//		// write batch.Rows; store batch.Position if it is not empty.
//	}
//
// A reader that stores rows and position in one transaction, and begins from the stored
// position when it comes back, has each change once, whatever was killed in between. One that
// cannot may apply a batch twice: rows are upserts, so nothing changes.
//
// It needs nothing but the standard library.
package client
