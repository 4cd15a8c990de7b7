package api

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"sync"
)

var (
	//go:embed openapi.yaml
	descriptionYAML []byte
	// docsPage is what package apidocs makes of openapi.yaml:
	// go test ./internal/api -run TestDocs -update
	//go:embed docs.html
	docsPage []byte
)

// getDescription answers with openapi.yaml as it is.
func getDescription(c *call) error {
	h := c.w.Header()
	h.Set("Content-Type", "application/yaml")
	h.Set("Cache-Control", "no-cache")
	c.w.Write(descriptionYAML)
	return nil
}

// docsPolicy lets the page's own style in and nothing else.
var docsPolicy = sync.OnceValue(func() string {
	_, style, _ := bytes.Cut(docsPage, []byte("<style>"))
	style, _, _ = bytes.Cut(style, []byte("</style>"))
	sum := sha256.Sum256(style)
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
})

// getDocs answers with the description as a page to read.
func getDocs(c *call) error {
	h := c.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", docsPolicy())
	h.Set("Cache-Control", "no-cache")
	c.w.Write(docsPage)
	return nil
}
