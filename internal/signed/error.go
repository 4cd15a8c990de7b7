package signed

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
)

// Error is an answer of 300 or above.
type Error struct {
	Status int
	// Code is the service's name for it, without a namespace: "NoSuchKey",
	// "ParameterNotFound"; empty if it gave none.
	Code string
	// Message is the service's own text. It may quote what was sent, so it is for
	// looking into, not for showing.
	Message string
}

func (e *Error) Error() string {
	if e.Code == "" {
		return "status " + strconv.Itoa(e.Status)
	}
	return e.Code + " (status " + strconv.Itoa(e.Status) + ")"
}

// Busy tells that the call was refused for the moment: nothing happened.
func (e *Error) Busy() bool {
	_, throttled := retry.DefaultThrottleErrorCodes[e.Code]
	return throttled || e.Status == http.StatusServiceUnavailable || e.Status == http.StatusTooManyRequests
}

// failure reads an answer that is an error: in JSON, or in the XML of S3.
func failure(resp *http.Response) error {
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, MaxError))
	if err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	e := &Error{Status: resp.StatusCode}
	var wire struct {
		Type    string `json:"__type"`
		Message string `json:"message"` // some services write it with a capital, which is read as well
	}
	if json.Unmarshal(body, &wire) == nil {
		e.Code, e.Message = wire.Type[strings.LastIndexByte(wire.Type, '#')+1:], wire.Message
		return e
	}
	e.Code, e.Message = element(string(body), "Code"), element(string(body), "Message")
	return e
}

// element is the text of the first element of that name; empty without one.
func element(xml, name string) string {
	_, rest, _ := strings.Cut(xml, "<"+name+">")
	text, _, ok := strings.Cut(rest, "</"+name+">")
	if !ok {
		return ""
	}
	return text
}
