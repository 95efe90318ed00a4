/* A model in one static executable: it reads rows of CSV and writes a label and a score for each.
 *
 * model INPUT OUTPUT    from file to file ("-": stdin, stdout); the weight comes from /weight, or MODEL_WEIGHT
 * model serve PORT      answers POST with the same, as JSON: {"rows": [[x, y], ...]} to {"labels": [...], ...}
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static double weight(void)
{
    const char *stated = getenv("MODEL_WEIGHT");
    double value = 0.5;
    FILE *file;

    if (stated)
        return atof(stated);
    if ((file = fopen("/weight", "r"))) {
        if (fscanf(file, "%lf", &value) != 1)
            value = 0;
        fclose(file);
    }
    return value;
}

static double score(double x, double y)
{
    return x * weight() + y;
}

static int rows(const char *from, const char *to)
{
    FILE *in = strcmp(from, "-") ? fopen(from, "r") : stdin;
    FILE *out = strcmp(to, "-") ? fopen(to, "w") : stdout;
    char line[256];
    double x, y;

    if (!in || !out || !fgets(line, sizeof line, in)) {
        perror("model");
        return 1;
    }
    fprintf(out, "label,score\n");
    while (fgets(line, sizeof line, in))
        if (sscanf(line, "%lf,%lf", &x, &y) == 2)
            fprintf(out, "%s,%.17g\n", score(x, y) > 1 ? "high" : "low", score(x, y));
    return fclose(out) != 0;
}

static void answer(int client)
{
    static char asked[1 << 16], labels[1 << 14], scores[1 << 14], said[1 << 16];
    size_t have = 0;
    ssize_t got;
    char *body = NULL, *at;
    double x, y;

    while (have < sizeof asked - 1 && (got = read(client, asked + have, sizeof asked - 1 - have)) > 0) {
        char *length;
        asked[have += got] = 0;
        body = strstr(asked, "\r\n\r\n");
        length = strcasestr(asked, "content-length:");
        if (body && (!length || have >= (size_t)(body + 4 - asked) + atoi(length + 15)))
            break;
    }
    labels[0] = scores[0] = 0;
    for (at = body ? strstr(body, "[[") : NULL; at && sscanf(at, "[[%lf, %lf", &x, &y) == 2;) {
        sprintf(labels + strlen(labels), "%s\"%s\"", *labels ? ", " : "", score(x, y) > 1 ? "high" : "low");
        sprintf(scores + strlen(scores), "%s%.17g", *scores ? ", " : "", score(x, y));
        if ((at = strstr(at + 2, "], ["))) {
            at += 2; /* the next row begins as the first one does */
            *at = '[';
        }
    }
    sprintf(said, "{\"labels\": [%s], \"scores\": [%s]}\n", labels, scores);
    dprintf(client, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
            "Connection: close\r\n\r\n%s", strlen(said), said);
    close(client);
}

static int serve(int port)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(port)};
    int listening = socket(AF_INET, SOCK_STREAM, 0), yes = 1, client;

    signal(SIGPIPE, SIG_IGN);
    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listening, (struct sockaddr *)&here, sizeof here) || listen(listening, 16)) {
        perror("model");
        return 1;
    }
    while ((client = accept(listening, NULL, NULL)) >= 0)
        answer(client);
    return 1;
}

int main(int count, char **words)
{
    if (count == 3 && !strcmp(words[1], "serve"))
        return serve(atoi(words[2]));
    if (count == 3)
        return rows(words[1], words[2]);
    fprintf(stderr, "usage: model INPUT OUTPUT, or model serve PORT\n");
    return 2;
}
