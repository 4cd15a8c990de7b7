package signed

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// JSON makes a call of a service that speaks AWS JSON of a version, "1.0" or "1.1":
// target names the operation, "AmazonSSM.GetParameter"; in is what it is given, out
// takes what it answers. Errors are those of [Service.Do].
func (s *Service) JSON(ctx context.Context, version, target string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("%s: %w", target, err)
	}
	resp, err := s.Do(ctx, Call{
		Method: http.MethodPost, Path: "/", Body: bytes.NewReader(body),
		Header: http.Header{"Content-Type": {"application/x-amz-json-" + version}, "X-Amz-Target": {target}},
	})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, MaxAnswer+1))
	if err != nil {
		return fmt.Errorf("%s: answer: %w", target, err)
	}
	if len(answer) > MaxAnswer {
		return fmt.Errorf("%s: answer of more than %d bytes", target, MaxAnswer)
	}
	if len(answer) == 0 {
		return nil // the answer of some operations
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("%s: answer is not JSON of its shape", target) // the cause may quote it
	}
	return nil
}
