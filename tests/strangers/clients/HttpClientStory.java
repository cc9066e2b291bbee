// `java HttpClientStory.java URL NAME`: what story.py tells, with Java's own client. It has no JSON: fields are picked out.

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

public class HttpClientStory {
  static final String PATH = "/api/transactions";
  static final HttpClient CLIENT = HttpClient.newHttpClient();
  static String base;

  static String payment(String amount, String currency, String more) {
    return "{\"amount\": " + amount + ", \"currency\": \"" + currency + "\", \"description\": \"Payment\", "
        + "\"metadata\": {\"order_id\": \"12345\"}" + more + "}";
  }

  static HttpResponse<String> send(String method, String path, String body, String... headers) throws Exception {
    var request = HttpRequest.newBuilder(URI.create(base + path));
    if (body == null) {
      request.method(method, HttpRequest.BodyPublishers.noBody());
    } else {
      request.method(method, HttpRequest.BodyPublishers.ofString(body)).header("Content-Type", "application/json");
    }
    for (int i = 0; i < headers.length; i += 2) request.header(headers[i], headers[i + 1]);
    return CLIENT.send(request.build(), HttpResponse.BodyHandlers.ofString());
  }

  static List<String> all(String field, String json) {
    var found = new ArrayList<String>();
    var matcher = Pattern.compile("\"" + field + "\": ?\\[?(?:\"([^\"]*)\"|(true|false|null))").matcher(json);
    while (matcher.find()) found.add(matcher.group(1) == null ? matcher.group(2) : matcher.group(1));
    return found;
  }

  static String one(String field, HttpResponse<String> answer) {
    return all(field, answer.body()).get(0);
  }

  static String header(String name, HttpResponse<String> answer) {
    return answer.headers().firstValue(name).orElse("none");
  }

  static long listed(String since, List<String> ours) throws Exception {
    long number = 0;
    String cursor = "";
    while (!cursor.equals("null")) {
      String more = cursor.isEmpty() ? "" : "&cursor=" + cursor;
      var page = send("GET", PATH + "?since=" + since + "&limit=2" + more, null);
      number += all("transactionId", page.body()).stream().filter(ours::contains).count();
      cursor = one("cursor", page);
    }
    return number;
  }

  public static void main(String[] given) throws Exception {
    base = given[0];
    String name = given[1], key = name + "-0", payment = payment("100.5", "USD", "");
    var submit = send("POST", PATH, payment, "Idempotency-Key", key);
    System.out.println("submit " + submit.statusCode() + " " + one("status", submit));
    String own = one("transactionId", submit);
    var again = send("POST", PATH, payment, "Idempotency-Key", key);
    System.out.println("repeat " + again.statusCode() + " " + header("idempotent-replayed", again) + " "
        + own.equals(one("transactionId", again)));
    var found = submit;
    while (one("status", found).equals("pending") || one("status", found).equals("processing")) {
      found = send("GET", header("location", submit) + "?wait=20", null);
    }
    System.out.println("wait " + one("status", found) + " " + (one("error", found).equals("null") ? "None" : found.body()));
    String items = "[" + payment("100.5", "USD", ", \"idempotencyKey\": \"" + name + "-1\"") + ", "
        + payment("100.5", "USD", ", \"idempotencyKey\": \"" + name + "-2\"") + ", " + payment("-1", "USD", "") + "]";
    var batch = send("POST", PATH + "/batch", items);
    System.out.println("batch " + String.join(" ", all("result", batch.body())));
    var ours = new ArrayList<>(all("transactionId", batch.body()));
    ours.add(own);
    System.out.println("listed " + listed(one("submittedAt", submit), ours));
    var conflict = send("POST", PATH, payment("7", "USD", ""), "Idempotency-Key", key);
    System.out.println("conflict " + conflict.statusCode() + " " + one("code", conflict) + " " + one("differs", conflict));
    var invalid = send("POST", PATH, payment("100.5", "usd", ""));
    System.out.println("invalid " + invalid.statusCode() + " " + one("code", invalid) + " " + one("field", invalid) + " "
        + header("content-type", invalid));
    var missing = send("GET", PATH + "/" + name + "-nobody", null);
    System.out.println("missing " + missing.statusCode() + " " + one("code", missing) + " " + one("retryable", missing));
  }
}
