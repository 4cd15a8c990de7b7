package poll

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// record is a record of the event that Lambda makes of a queue's message
// (AWS Lambda Developer Guide, "Using Lambda with Amazon SQS").
type record struct {
	MessageID         string               `json:"messageId"`
	ReceiptHandle     string               `json:"receiptHandle"`
	Body              string               `json:"body"`
	Attributes        map[string]string    `json:"attributes"`
	MessageAttributes map[string]attribute `json:"messageAttributes"`
	MD5OfBody         string               `json:"md5OfBody"`
	EventSource       string               `json:"eventSource"`
	EventSourceARN    string               `json:"eventSourceARN"`
	AWSRegion         string               `json:"awsRegion"`
}

type attribute struct {
	StringValue      string   `json:"stringValue,omitempty"`
	BinaryValue      string   `json:"binaryValue,omitempty"`
	StringListValues []string `json:"stringListValues"`
	BinaryListValues []string `json:"binaryListValues"`
	DataType         string   `json:"dataType"`
}

// event is the event of a batch, in the order in which the queue gave it.
func (s *Source) event(batch []types.Message) ([]byte, error) {
	records := make([]record, len(batch))
	for i, m := range batch {
		r := record{
			MessageID: aws.ToString(m.MessageId), ReceiptHandle: aws.ToString(m.ReceiptHandle), Body: aws.ToString(m.Body),
			Attributes: m.Attributes, MessageAttributes: map[string]attribute{}, MD5OfBody: aws.ToString(m.MD5OfBody),
			EventSource: "aws:sqs", EventSourceARN: s.ARN, AWSRegion: s.Region,
		}
		for name, a := range m.MessageAttributes {
			r.MessageAttributes[name] = attribute{
				StringValue: aws.ToString(a.StringValue), BinaryValue: base64.StdEncoding.EncodeToString(a.BinaryValue),
				StringListValues: []string{}, BinaryListValues: []string{}, DataType: aws.ToString(a.DataType),
			}
		}
		records[i] = r
	}
	event, err := json.Marshal(map[string]any{"Records": records})
	if err != nil {
		return nil, fmt.Errorf("event of %s: %w", s.Function, err)
	}
	return event, nil
}

// scheduled is the event of a schedule: of EventBridge Scheduler, whose detail is
// a text, or of a rule, whose detail is an object.
func scheduled(scheduler bool, at time.Time, region, id string) ([]byte, error) {
	e := map[string]any{
		"version": "0", "id": id, "detail-type": "Scheduled Event", "account": Account,
		"time": at.UTC().Format(time.RFC3339), "region": region,
	}
	if scheduler {
		e["source"], e["detail"] = "aws.scheduler", "{}"
		e["resources"] = []string{"arn:aws:scheduler:" + region + ":" + Account + ":schedule/default/clock"}
	} else {
		e["source"], e["detail"] = "aws.events", map[string]any{}
		e["resources"] = []string{"arn:aws:events:" + region + ":" + Account + ":rule/clock"}
	}
	event, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("event of the clock: %w", err)
	}
	return event, nil
}

// Account is the account that events name, as in the documentation of AWS.
const Account = "123456789012"
