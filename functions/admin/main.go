// Command admin does what an operator asks for: called by IAM alone (make tenant).
package main

import (
	"crypto/rand"

	"buzon/internal/api"
	"buzon/internal/cloud"
)

func main() {
	cloud.Run(func(c *cloud.Cloud) any {
		admin := &api.Admin{
			API:     api.API{Store: c.Store(), Now: c.Now, NewID: c.NewID, Random: rand.Reader},
			Secrets: c.Secrets(),
		}
		return admin.Do
	})
}
