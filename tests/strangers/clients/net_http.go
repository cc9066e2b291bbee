// `go run net_http.go URL NAME`: what story.py tells, with Go's net/http.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
)

type object = map[string]any

const path = "/api/transactions"

var base, name string

func payment(changed object) object {
	found := object{"amount": 100.5, "currency": "USD", "description": "Payment", "metadata": object{"order_id": "12345"}}
	for field, value := range changed {
		found[field] = value
	}
	return found
}

func send(method, path string, body any, key string) (*http.Response, object) {
	var sent bytes.Buffer
	if body != nil {
		check(json.NewEncoder(&sent).Encode(body))
	}
	request, err := http.NewRequest(method, base+path, &sent)
	check(err)
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	answer, err := http.DefaultClient.Do(request)
	check(err)
	defer answer.Body.Close()
	found := object{}
	check(json.NewDecoder(answer.Body).Decode(&found))
	return answer, found
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func listed(since string, ours map[any]bool) int {
	number, cursor := 0, ""
	for {
		query := url.Values{"since": {since}, "limit": {"2"}}
		if cursor != "" {
			query.Set("cursor", cursor)
		}
		_, page := send("GET", path+"?"+query.Encode(), nil, "")
		for _, one := range page["transactions"].([]any) {
			if ours[one.(object)["transactionId"]] {
				number++
			}
		}
		next, more := page["cursor"].(string)
		if !more {
			return number
		}
		cursor = next
	}
}

func main() {
	base, name = os.Args[1], os.Args[2]
	key := name + "-0"
	answer, submit := send("POST", path, payment(nil), key)
	fmt.Println("submit", answer.StatusCode, submit["status"])
	location := answer.Header.Get("Location")
	answer, again := send("POST", path, payment(nil), key)
	fmt.Println("repeat", answer.StatusCode, answer.Header.Get("Idempotent-Replayed"), again["transactionId"] == submit["transactionId"])
	found := submit
	for found["status"] == "pending" || found["status"] == "processing" {
		_, found = send("GET", location+"?wait=20", nil, "")
	}
	said := "None"
	if found["error"] != nil {
		said = fmt.Sprint(found["error"])
	}
	fmt.Println("wait", found["status"], said)
	items := []object{
		payment(object{"idempotencyKey": name + "-1"}),
		payment(object{"idempotencyKey": name + "-2"}),
		payment(object{"amount": -1}),
	}
	_, batch := send("POST", path+"/batch", items, "")
	ours := map[any]bool{submit["transactionId"]: true}
	fmt.Print("batch")
	for _, one := range batch["results"].([]any) {
		result := one.(object)
		fmt.Print(" ", result["result"])
		if transaction, is := result["transaction"].(object); is {
			ours[transaction["transactionId"]] = true
		}
	}
	fmt.Println()
	fmt.Println("listed", listed(submit["submittedAt"].(string), ours))
	answer, conflict := send("POST", path, payment(object{"amount": 7}), key)
	fmt.Println("conflict", answer.StatusCode, conflict["code"], conflict["differs"].([]any)[0])
	answer, invalid := send("POST", path, payment(object{"currency": "usd"}), "")
	fmt.Println("invalid", answer.StatusCode, invalid["code"], invalid["field"], answer.Header.Get("Content-Type"))
	answer, missing := send("GET", path+"/"+name+"-nobody", nil, "")
	fmt.Println("missing", answer.StatusCode, missing["code"], missing["retryable"])
}
