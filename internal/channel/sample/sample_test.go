package sample_test

import (
	"bytes"
	"image/png"
	"io"
	"net/http"
	"strings"
	"testing"

	"buzon/internal/channel/sample"
	"buzon/internal/desk"
)

// TestFiles: each sample is what it says, small, and whole each time it is asked for.
func TestFiles(t *testing.T) {
	for typ, limit := range map[string]int64{
		desk.TemplateImage: desk.MaxTemplateImage, desk.TemplateDocument: desk.MaxTemplateDocument, desk.TemplateVideo: desk.MaxTemplateVideo,
	} {
		for range 2 {
			f, ok := sample.File(typ)
			if !ok {
				t.Fatalf("%s: no sample", typ)
			}
			content, err := io.ReadAll(f.Body)
			if err != nil || int64(len(content)) != f.Size || f.Size > 4<<10 || f.Size > limit {
				t.Errorf("%s: %d bytes of %d, %v", typ, len(content), f.Size, err)
			}
			if got := http.DetectContentType(content); got != f.ContentType {
				t.Errorf("%s: is %s, says %s", typ, got, f.ContentType)
			}
			if _, ending, _ := strings.Cut(f.Name, "."); !strings.HasSuffix(f.ContentType, ending) {
				t.Errorf("%s: %s is named %s", typ, f.ContentType, f.Name)
			}
		}
	}
	f, _ := sample.File(desk.TemplateImage)
	content, _ := io.ReadAll(f.Body)
	img, err := png.Decode(bytes.NewReader(content))
	if err != nil || img.Bounds().Dx() != desk.AdviceImageSide || img.Bounds().Dy() != desk.AdviceImageSide {
		t.Errorf("the picture: %v, %v", img.Bounds(), err)
	}
	for _, typ := range []string{desk.TemplateText, "", "hologram"} {
		if _, ok := sample.File(typ); ok {
			t.Errorf("%q has a sample", typ)
		}
	}
}
