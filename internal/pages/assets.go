package pages

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
	"strings"
)

//go:embed static
var staticFiles embed.FS

// asset is a file that pages load. Its name holds a hash of its content, so that
// it may be kept for ever.
type asset struct {
	name string // "portal-1f2e3d4c.css"
	kind string
	body []byte
}

var assetKinds = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

// assets are by the name they have here, and by the name they are served under.
var assets = loadAssets()

// loadAssets reads the embedded files; they are part of the program, so that one
// that cannot be read stops it before it begins.
func loadAssets() map[string]asset {
	all := map[string]asset{}
	entries, err := staticFiles.ReadDir("static")
	if err != nil {
		panic(err)
	}
	for _, e := range entries {
		body, err := staticFiles.ReadFile("static/" + e.Name())
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(body)
		ext := path.Ext(e.Name())
		a := asset{
			name: strings.TrimSuffix(e.Name(), ext) + "-" + hex.EncodeToString(sum[:4]) + ext,
			kind: assetKinds[ext],
			body: body,
		}
		all[e.Name()], all[a.name] = a, a
	}
	return all
}

// assetURL is where a page finds the file.
func assetURL(name string) string { return "/assets/" + assets[name].name }

// asset serves a file under its hashed name; any other name is a 404 page.
func (p *Portal) asset(w http.ResponseWriter, r *http.Request) {
	a, ok := assets[r.PathValue("file")]
	if !ok || a.name != r.PathValue("file") || r.Method != http.MethodGet && r.Method != http.MethodHead {
		p.serve(map[string]handler{"GET": missing}).ServeHTTP(w, r)
		return
	}
	p.headers(w.Header(), p.base(r))
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	w.Header().Set("Content-Type", a.kind)
	if r.Method == http.MethodGet {
		_, _ = w.Write(a.body) // nobody is left to tell
	}
}
