#include "proto/problem.h"
#include "base/text.h"
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct {
    int status;
    const char *title;
} problems[] = {
    [ERR_NONE] = {200, "OK"},
    [ERR_REQUEST] = {400, "Malformed request"},
    [ERR_NOT_FOUND] = {404, "Not found"},
    [ERR_METHOD] = {405, "Method not allowed"},
    [ERR_ACCEPT] = {406, "No acceptable format"},
    [ERR_TIMEOUT] = {408, "Request timed out"},
    [ERR_LENGTH] = {411, "Length required"},
    [ERR_TOO_LARGE] = {413, "Too large"},
    [ERR_FORMAT] = {415, "Unsupported format"},
    [ERR_INPUT] = {422, "Cannot be classified"},
    [ERR_LIMIT] = {422, "Above a limit"},
    [ERR_BUSY] = {429, "Queue full"},
    [ERR_CANCELED] = {499, "Client closed request"},
    [ERR_UNAVAILABLE] = {503, "Not available now"},
    [ERR_DEADLINE] = {504, "Deadline passed"},
    [ERR_SPACE] = {507, "No space left"},
    [ERR_DEVICE] = {500, "Engine failed"},
    [ERR_IO] = {500, "Internal error"},
    [ERR_NOMEM] = {500, "Out of memory"},
    [ERR_USAGE] = {400, "Malformed request"},
};

static bool known(enum err_code code)
{
    return (unsigned)code < sizeof problems / sizeof problems[0] && problems[code].status != 0;
}

int problem_status(enum err_code code)
{
    return known(code) ? problems[code].status : 500;
}

char *problem_json(const struct err *e, const char *request_id)
{
    char type[64], detail[sizeof e->message], *text = NULL;
    cJSON *o = cJSON_CreateObject();
    snprintf(type, sizeof type, "urn:spectrad:problem:%s", err_name(e->code));
    text_show(detail, sizeof detail, e->message, strlen(e->message));
    if (cJSON_AddStringToObject(o, "type", type) != NULL &&
        cJSON_AddStringToObject(o, "title", known(e->code) ? problems[e->code].title : "Internal error") != NULL &&
        cJSON_AddNumberToObject(o, "status", problem_status(e->code)) != NULL &&
        cJSON_AddStringToObject(o, "detail", detail) != NULL &&
        cJSON_AddStringToObject(o, "instance", request_id == NULL ? "" : request_id) != NULL &&
        cJSON_AddStringToObject(o, "code", err_name(e->code)) != NULL)
        text = cJSON_PrintUnformatted(o);
    cJSON_Delete(o);
    return text;
}
