package repo

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// metric is one that an alarm looks at.
type metric struct{ namespace, name, dimension, value string }

// metrics are those of an alarm, in whichever of the two forms it is written.
func metrics(alarm object) []metric {
	var out []metric
	read := func(m object) {
		for _, d := range m.list("Dimensions") {
			out = append(out, metric{m.text("Namespace"), m.text("MetricName"), asObject(d).text("Name"), plain(asObject(d)["Value"])})
		}
	}
	if alarm["MetricName"] != nil {
		read(alarm)
	}
	for _, m := range alarm.list("Metrics") {
		read(asObject(m).in("MetricStat", "Metric"))
	}
	return out
}

// alarmed are all metrics that some alarm looks at.
func (s *installation) alarmed() map[metric]bool {
	out := map[metric]bool{}
	for _, r := range s.resources("Alarms", "AWS::CloudWatch::Alarm") {
		for _, m := range metrics(r.in("Properties")) {
			out[m] = true
		}
	}
	return out
}

// anchors are the headings of a text of Markdown below the second level, and those of the
// second that have none below them, as addresses name them.
func anchors(text string) []string {
	var out []string
	level := 0
	for _, m := range regexp.MustCompile(`(?m)^(#+) (.+)$`).FindAllStringSubmatch(text, -1) {
		if len(m[1]) < 2 {
			level = 0
			continue
		}
		if len(m[1]) > level && level == 2 {
			out = out[:len(out)-1] // it was the head of a group
		}
		level = len(m[1])
		out = append(out, strings.ReplaceAll(strings.ToLower(m[2]), " ", "-"))
	}
	return out
}

var watchWirings = []wiring{
	{"somebody is told when a function fails or is not run", func(s *installation, problem func(string, ...any)) {
		alarmed := s.alarmed()
		for _, f := range s.lambdas() {
			for _, name := range []string{"Errors", "Throttles"} {
				if !alarmed[metric{"AWS/Lambda", name, "FunctionName", stackName + "-" + f.stage}] {
					problem("%s of %s", name, f.stage)
				}
			}
		}
		if !alarmed[metric{"AWS/Lambda", "Invocations", "FunctionName", stackName + "-clock"}] {
			problem("the clock may stop")
		}
		for _, m := range []metric{
			{"AWS/ApiGateway", "5xx", "ApiId", "!Api"}, {"AWS/Lambda", "Url5xxCount", "FunctionName", stackName + "-webhook"},
			{"AWS/DynamoDB", "WriteThrottleEvents", "TableName", "!Table"}, {"AWS/DynamoDB", "ReadThrottleEvents", "TableName", "!Table"},
		} {
			if !alarmed[m] {
				problem("%v", m)
			}
		}
	}},
	{"somebody is told of dead letters and of messages that wait", func(s *installation, problem func(string, ...any)) {
		alarmed := s.alarmed()
		for stage := range steps {
			for _, m := range []metric{
				{"AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", stackName + "-" + stage + "-dead.fifo"},
				{"AWS/SQS", "NumberOfMessagesReceived", "QueueName", stackName + "-" + stage + "-dead.fifo"}, // the clock is quick
				{"AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", stackName + "-" + stage + ".fifo"},
			} {
				if !alarmed[m] {
					problem("%v", m)
				}
			}
		}
	}},
	{"an alarm looks at what is there, tells somebody, and says where the runbook is", func(s *installation, problem func(string, ...any)) {
		named := map[string]bool{}
		for id, r := range s.resources("Alarms", "AWS::CloudWatch::Alarm") {
			p := r.in("Properties")
			for _, m := range metrics(p) {
				_, function := s.function(strings.TrimPrefix(m.value, stackName+"-"))
				isQueue := false
				for q := range s.resources("", "AWS::SQS::Queue") {
					isQueue = isQueue || plain(s.properties(q)["QueueName"]) == m.value
				}
				if m.dimension == "FunctionName" && !function || m.dimension == "QueueName" && !isQueue {
					problem("%s looks at %s, which is not there", id, m.value)
				}
			}
			for _, actions := range []string{"AlarmActions", "OKActions"} {
				if to := p.list(actions); len(to) != 1 || plain(to[0]) != "!Topic" {
					problem("%s: %s %v", id, actions, to)
				}
			}
			missing := "notBreaching"
			if p["ComparisonOperator"] == "LessThanThreshold" { // a heartbeat: silence is the alarm
				missing = "breaching"
			}
			if p["TreatMissingData"] != missing {
				problem("%s: without data it is %v", id, p["TreatMissingData"])
			}
			text, anchor, found := strings.Cut(p.text("AlarmDescription"), " "+runbookFile+"#")
			if !found || !strings.HasSuffix(text, ".") || plain(p["AlarmName"]) != stackName+"-"+anchor {
				problem("%s: %q", id, p.text("AlarmDescription"))
			}
			named[anchor] = true
		}
		if d := slices.Sorted(maps.Keys(named)); !slices.Equal(d, slices.Sorted(slices.Values(anchors(s.text[runbookFile])))) {
			problem("alarms %q, paragraphs %q", d, slices.Sorted(slices.Values(anchors(s.text[runbookFile]))))
		}
		for _, m := range regexp.MustCompile(`\]\(#([a-z-]+)\)`).FindAllStringSubmatch(s.text[runbookFile], -1) {
			if !named[m[1]] {
				problem("the runbook points to #%s", m[1])
			}
		}
	}},
	{"an e-mail address is subscribed if there is one", func(s *installation, problem func(string, ...any)) {
		mail := s.files["Alarms"].in("Resources", "Mail")
		if mail["Condition"] != "HasEmail" || plain(mail.at("Properties", "Endpoint")) != "!Email" || plain(mail.at("Properties", "TopicArn")) != "!Topic" {
			problem("%v", mail)
		}
	}},
	{"the dashboard shows every alarm, function and queue", func(s *installation, problem func(string, ...any)) {
		body := plain(s.files["Dashboard"].at("Resources", "Dashboard", "Properties", "DashboardBody"))
		var board struct{ Widgets []json.RawMessage }
		if err := json.Unmarshal([]byte(body), &board); err != nil || len(board.Widgets) < 5 {
			problem("%d widgets, %v", len(board.Widgets), err)
		}
		var want []string
		for _, r := range s.resources("Alarms", "AWS::CloudWatch::Alarm") {
			want = append(want, ":alarm:"+plain(r.at("Properties", "AlarmName")))
		}
		for _, f := range s.lambdas() {
			want = append(want, `"FunctionName","`+stackName+"-"+f.stage+`"`)
		}
		for id := range s.resources("", "AWS::SQS::Queue") {
			want = append(want, `"QueueName","`+plain(s.properties(id)["QueueName"])+`"`)
		}
		for _, w := range want {
			if !strings.Contains(body, w+`"`) && !strings.Contains(body, w) {
				problem("no %s", w)
			}
		}
		for _, m := range regexp.MustCompile(`:alarm:([A-Za-z-]+)`).FindAllStringSubmatch(body, -1) {
			if !slices.Contains(want, ":alarm:"+m[1]) {
				problem("the alarm %s is not there", m[1])
			}
		}
	}},
}
