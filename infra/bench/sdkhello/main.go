// Command sdkhello is a function as most are written: the SDK finds its settings by
// itself, three clients are made while the function starts, and each event reads
// an item and sends a message. It does nothing else. The webhook function, which makes the same
// two calls, is measured against it.
package main

import (
	"context"
	"log"
	"os"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

func main() {
	cfg, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	h := handler{table: dynamodb.NewFromConfig(cfg), queue: sqs.NewFromConfig(cfg), files: s3.NewFromConfig(cfg)}
	lambda.Start(h.handle)
}

type handler struct {
	table *dynamodb.Client
	queue *sqs.Client
	files *s3.Client
}

func (h handler) handle(ctx context.Context, e events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
	var none events.APIGatewayV2HTTPResponse
	if e.RawPath == "" { // never: keeps what the third client needs in the program, as a function that stores files has it
		if _, err := h.files.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(os.Getenv("BUCKET")), Key: aws.String("body")}); err != nil {
			return none, err
		}
	}
	_, err := h.table.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: aws.String(os.Getenv("TABLE")), ConsistentRead: aws.Bool(true),
		Key: map[string]types.AttributeValue{
			"PK": &types.AttributeValueMemberS{Value: e.RawPath}, "SK": &types.AttributeValueMemberS{Value: "CHANNEL"},
		},
	})
	if err != nil {
		return none, err
	}
	_, err = h.queue.SendMessage(ctx, &sqs.SendMessageInput{
		QueueUrl: aws.String(os.Getenv("INBOUND_QUEUE")), MessageBody: aws.String(e.Body),
		MessageGroupId: aws.String("group"), MessageDeduplicationId: aws.String(e.RequestContext.RequestID),
	})
	if err != nil {
		return none, err
	}
	return events.APIGatewayV2HTTPResponse{StatusCode: 200}, nil
}
