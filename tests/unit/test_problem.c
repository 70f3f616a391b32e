/* The one place where an error becomes a status, and its document (RFC 9457). */
#include "proto/problem.h"
#include "tests/unit/support/expect.h"
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    enum err_code code;
    int status;
} statuses[] = {
    {ERR_REQUEST, 400}, {ERR_NOT_FOUND, 404}, {ERR_METHOD, 405},   {ERR_ACCEPT, 406},      {ERR_TIMEOUT, 408},
    {ERR_LENGTH, 411},  {ERR_TOO_LARGE, 413}, {ERR_FORMAT, 415},   {ERR_INPUT, 422},       {ERR_LIMIT, 422},
    {ERR_BUSY, 429},    {ERR_CANCELED, 499},  {ERR_DEVICE, 500},   {ERR_IO, 500},          {ERR_NOMEM, 500},
    {ERR_USAGE, 400},   {ERR_SPACE, 507},     {ERR_DEADLINE, 504}, {ERR_UNAVAILABLE, 503},
};
enum { CODES = sizeof statuses / sizeof statuses[0] };

static void test_every_code_has_its_status(void **state)
{
    (void)state;
    assert_int_equal(CODES, ERR_USAGE); /* all of them: ERR_USAGE is the last, ERR_NONE is 0 */
    for (size_t i = 0; i < CODES; i++)
        if (problem_status(statuses[i].code) != statuses[i].status)
            fail_msg("%s is %d", err_name(statuses[i].code), problem_status(statuses[i].code));
    assert_int_equal(problem_status((enum err_code)(ERR_USAGE + 1)), 500);
    assert_int_equal(problem_status((enum err_code) - 1), 500);
}

static const char *string_of(const cJSON *o, const char *key)
{
    const char *s = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key));
    return s == NULL ? "(none)" : s;
}

static void test_the_document_has_every_member(void **state)
{
    (void)state;
    for (size_t i = 0; i < CODES; i++) {
        struct err e;
        char type[64];
        err_set(&e, statuses[i].code, "expected %d bands, got \"%d\"", 204, 198);
        char *text = problem_json(&e, "req-1");
        cJSON *o = cJSON_Parse(text);
        assert_non_null(o);
        snprintf(type, sizeof type, "urn:spectrad:problem:%s", err_name(statuses[i].code));
        assert_string_equal(string_of(o, "type"), type);
        assert_string_equal(string_of(o, "code"), err_name(statuses[i].code));
        assert_true(strlen(string_of(o, "title")) > 3);
        assert_true(cJSON_GetObjectItem(o, "status")->valuedouble == statuses[i].status);
        assert_string_equal(string_of(o, "detail"), "expected 204 bands, got \"198\"");
        assert_string_equal(string_of(o, "instance"), "req-1");
        cJSON_Delete(o);
        free(text);
    }
}

static void test_a_message_cut_inside_a_character_stays_utf8(void **state)
{
    struct err e;
    char message[1024] = "";
    (void)state;
    for (size_t i = 0; i + 2 < sizeof message; i += 2)
        memcpy(message + i, "\xc3\xa9", 3);
    err_set(&e, ERR_INPUT, "%s", message);
    char *text = problem_json(&e, NULL);
    assert_non_null(text);
    cJSON *o = cJSON_Parse(text);
    const char *detail = string_of(o, "detail");
    assert_memory_equal(detail, "\xc3\xa9\xc3\xa9", 4);
    assert_true(detail[strlen(detail) - 1] != '\xc3');
    assert_string_equal(string_of(o, "instance"), "");
    cJSON_Delete(o);
    free(text);
}

/* Of cJSON's allocations one fails. */
static int failing, allocations;

static void *all_but_one(size_t size)
{
    return allocations++ == failing ? NULL : malloc(size);
}

static void test_lack_of_memory_gives_no_document_rather_than_half_a_one(void **state)
{
    static const char *const members[] = {"type", "title", "status", "detail", "instance", "code"};
    struct err e;
    cJSON_Hooks hooks = {.malloc_fn = all_but_one, .free_fn = free};
    (void)state;
    err_set(&e, ERR_INPUT, "a message");
    bool failed = true;
    for (failing = 0; failed; failing++) {
        cJSON_InitHooks(&hooks);
        allocations = 0;
        char *text = problem_json(&e, "req-1");
        cJSON_InitHooks(NULL);
        failed = allocations > failing;
        if (text == NULL)
            continue;
        cJSON *o = cJSON_Parse(text);
        for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
            if (!cJSON_HasObjectItem(o, members[i]))
                fail_msg("without allocation %d the document has no %s", failing, members[i]);
        cJSON_Delete(o);
        free(text);
    }
    assert_true(failing > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_code_has_its_status),
        cmocka_unit_test(test_the_document_has_every_member),
        cmocka_unit_test(test_a_message_cut_inside_a_character_stays_utf8),
        cmocka_unit_test(test_lack_of_memory_gives_no_document_rather_than_half_a_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
