/* SPDX-License-Identifier: Apache-2.0
 * json.c - errors as JSON, read back by a strict parser (jansson). */
#include "../test.h"

#include <jansson.h>

/* The object, to be freed by json_decref. */
static json_t *parse(const weft_error *e)
{
    json_error_t why;
    char *text = weft_error_json(e);
    REQUIRE(text);
    json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, &why);
    if (!object)
        FAIL("%s at %d: %.200s", why.text, why.position, text);
    REQUIRE(object);
    free(text);
    return object;
}

static const char *string_of(json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static int64_t integer_of(json_t *object, const char *name)
{
    CHECK(json_is_integer(json_object_get(object, name)));
    return json_integer_value(json_object_get(object, name));
}

static void check_same(json_t *object, const weft_error *e)
{
    CHECK_EQ(integer_of(object, "code"), weft_error_code(e));
    CHECK_STR_EQ(string_of(object, "message"), weft_error_message(e));
    CHECK_STR_EQ(string_of(object, "trace_id"), weft_error_trace_id(e));
    CHECK_STR_EQ(string_of(object, "host"), weft_error_host(e));
    CHECK_STR_EQ(string_of(object, "stack"), weft_error_stack(e));
    CHECK_EQ(integer_of(object, "pid"), getpid());
    CHECK_EQ(integer_of(object, "unix_ns"), weft_error_unix_ns(e));
    CHECK_EQ(integer_of(object, "goroutine"), (int64_t)weft_error_goroutine(e));
    if (weft_error_user_message(e))
        CHECK_STR_EQ(string_of(object, "user_message"), weft_error_user_message(e));
    else
        CHECK(json_is_null(json_object_get(object, "user_message")));
    int64_t ns = weft_error_unix_ns(e) % 1000000000;
    time_t seconds = (time_t)(weft_error_unix_ns(e) / 1000000000);
    char utc[64], whole[96];
    strftime(utc, sizeof(utc), "%Y-%m-%dT%H:%M:%S", gmtime(&seconds));
    snprintf(whole, sizeof(whole), "%s.%09" PRId64 "Z", utc, ns);
    CHECK_STR_EQ(string_of(object, "time"), whole);
}

static void chain(void *arg)
{
    weft_error *e = weft_error_new(-ENOENT, "low");
    (void)arg;
    weft_error_set_user_message(e, "for the user");
    for (int i = 0; i < 50; i++)
        e = weft_error_wrap(e, i, "level %d", i);
    json_t *object = parse(e), *at = object;
    for (const weft_error *step = e; step; step = weft_error_inner(step)) {
        check_same(at, step);
        at = json_object_get(at, "inner");
    }
    CHECK(json_is_null(at));
    json_decref(object);
    weft_error_unref(e);
}

TEST(chains_come_back_whole)
{
    /* Goal: every field of every level, on a goroutine and on a foreign thread. */
    CHECK_EQ(test_run(chain, NULL), 0);
    chain(NULL);
}

static void check_text(const char *text, const char *expected)
{
    weft_error *e = weft_error_new(0, "%s", text);
    weft_error_set_user_message(e, "<%s>", text);
    json_t *object = parse(e);
    CHECK_STR_EQ(string_of(object, "message"), expected);
    CHECK_EQ(strlen(string_of(object, "user_message")), strlen(expected) + 2);
    json_decref(object);
    weft_error_unref(e);
}

#define FFFD "\xef\xbf\xbd"

TEST(texts_are_escaped_and_mended)
{
    /* Goal: quotes, backslashes and control characters come back; what isn't UTF-8 (RFC 3629) is U+FFFD, a byte each;
     * what is stays. */
    char controls[32];
    for (int i = 1; i < 32; i++)
        controls[i - 1] = (char)i;
    controls[31] = '\0';
    check_text(controls, controls);
    check_text("\"\\/\x7f", "\"\\/\x7f");
    check_text("", "");
    static const char *const good[] = {
        "\xc2\x80",     "\xdf\xbf",         "\xe0\xa0\x80",     "\xed\x9f\xbf", "\xee\x80\x80",
        "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "\xe2\x82\xac", "a\xc3\xa4z",
    };
    for (size_t i = 0; i < TEST_COUNT_OF(good); i++)
        check_text(good[i], good[i]);
    static const char *const bad[][2] = {
        {"\x80", FFFD},
        {"a\xffz", "a" FFFD "z"},
        {"\xc0\x80", FFFD FFFD}, /* longer than needed */
        {"\xc1\xbf", FFFD FFFD},
        {"\xe0\x9f\xbf", FFFD FFFD FFFD},
        {"\xf0\x8f\xbf\xbf", FFFD FFFD FFFD FFFD},
        {"\xed\xa0\x80", FFFD FFFD FFFD},          /* a surrogate */
        {"\xf4\x90\x80\x80", FFFD FFFD FFFD FFFD}, /* beyond U+10FFFF */
        {"\xf5\x80\x80\x80", FFFD FFFD FFFD FFFD},
        {"\xc3", FFFD}, /* cut off */
        {"\xe2\x82", FFFD FFFD},
        {"\xf0\x90\x80", FFFD FFFD FFFD},
        {"\xc3"
         "a",
         FFFD "a"},
        {"\xe2\x82"
         "b",
         FFFD FFFD "b"},
    };
    for (size_t i = 0; i < TEST_COUNT_OF(bad); i++)
        check_text(bad[i][0], bad[i][1]);
}

TEST(any_bytes_give_json)
{
    /* Goal: whatever is in the texts, it parses. Method: random bytes, also as a trace id. */
    uint64_t random = test_seed();
    for (int i = 0; i < test_scale(5000); i++) {
        char text[24] = "";
        for (size_t k = 0; k < sizeof(text) - 1; k++)
            text[k] = (char)(test_random(&random) >> 20 & (i & 1 ? 0xff : 0xf1));
        weft_ctx *ctx = weft_ctx_with_trace(NULL, text);
        weft_error *e = weft_error_new_ctx(ctx, i, "%s", text);
        json_decref(parse(e));
        weft_error_unref(e);
        weft_ctx_unref(ctx);
    }
}

TEST(plain_errors_and_null)
{
    weft_ctx *ctx = weft_ctx_with_cancel(NULL);
    weft_ctx_cancel(ctx);
    json_t *object = parse(weft_ctx_cause(ctx));
    CHECK_EQ(integer_of(object, "code"), -ECANCELED);
    json_decref(object);
    weft_ctx_unref(ctx);
    char *text = weft_error_json(NULL);
    CHECK_STR_EQ(text, "null");
    free(text);
}
