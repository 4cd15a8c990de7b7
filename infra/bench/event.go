package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"buzon/internal/channel/gupshup/gupshuptest"
)

// message is the n-th webhook of 3 KB: a person's text, in Meta's format.
func message(n int) []byte {
	phone := gupshuptest.Phone{Channel: line, Number: fmt.Sprintf("52155%08d", n), Name: "Ana María Pérez"}
	text := strings.Repeat("Desde el lunes no hay luz en la calle, y de noche no se ve nada. ", 36)
	return phone.V3(fmt.Sprintf("wamid.HBgNNTIxNTU1MDAwMDAwMDAwFQIAEhgUM0E%012d", n), time.Now(), gupshuptest.Text(text))
}

// httpEvent is that webhook as API Gateway and function URLs hand it over. Each is
// for a channel of its own, so that none is known yet: taking it in makes two calls
// to AWS.
func httpEvent(n int) ([]byte, error) {
	id := fmt.Sprintf("%s%06d", line.ID[:len(line.ID)-6], n)
	e := events.APIGatewayV2HTTPRequest{
		Version: "2.0", RouteKey: "ANY /webhooks/{proxy+}", RawPath: "/webhooks/gupshup/" + id + "/" + pathSecret,
		Headers: map[string]string{
			"content-type": "application/json", "host": "abcde12345.execute-api.us-east-1.amazonaws.com", "user-agent": "Apache-HttpClient/4.5.13",
			"x-amzn-trace-id": "Root=1-6740a1b2-0123456789abcdef01234567", "x-forwarded-for": "34.202.224.62", "x-forwarded-port": "443", "x-forwarded-proto": "https",
		},
		Body: string(message(n)),
	}
	e.RequestContext.HTTP.Method, e.RequestContext.HTTP.Path = "POST", e.RawPath
	e.RequestContext.HTTP.SourceIP = "34.202.224.62"
	e.RequestContext.RequestID = fmt.Sprintf("JKJaXmPLvHcESHA%06d", n)
	return json.Marshal(e)
}
