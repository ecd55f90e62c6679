#include "cp/store.h"

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace lb::cp {
namespace {

namespace fs = std::filesystem;

class StoreTest : public ::testing::Test {
protected:
    StoreTest() {
        folder_ = fs::temp_directory_path() / ("cpmodel-store-" + std::to_string(getpid()));
        fs::create_directories(folder_);
        path_ = (folder_ / "siplane.db").string();
        config_.db_url = "sqlite://" + path_;
    }
    ~StoreTest() override { fs::remove_all(folder_); }

    // What an operator's sqlite3 shell does.
    void sql(const std::string& text) {
        sqlite3* db = nullptr;
        ASSERT_EQ(sqlite3_open(path_.c_str(), &db), SQLITE_OK);
        char* error = nullptr;
        EXPECT_EQ(sqlite3_exec(db, text.c_str(), nullptr, nullptr, &error), SQLITE_OK) << error;
        sqlite3_free(error);
        sqlite3_close(db);
    }
    Result<Store> open(Store::Mode mode = Store::Mode::kReadWrite) {
        return Store::open(config_, mode);
    }
    std::vector<DestinationRow> rows() {
        auto store = open();
        EXPECT_TRUE(store) << store.error().message;
        auto out = store->rows(true);
        EXPECT_TRUE(out) << out.error().message;
        return *out;
    }
    std::string open_error(Store::Mode mode = Store::Mode::kReadWrite) {
        auto store = open(mode);
        return store ? "opened" : store.error().message;
    }

    fs::path folder_;
    std::string path_;
    DispatcherConfig config_;
};

TEST(SqlitePath, Forms) {
    EXPECT_EQ(sqlite_path("sqlite:////etc/x.db").value(), "/etc/x.db");
    EXPECT_EQ(sqlite_path("sqlite:///var/lib/x.db").value(), "/var/lib/x.db");
    for (const char* bad :
         {"", "sqlite://", "sqlite:///", "sqlite://x.db", "mysql://u@h/db", "/etc/x.db"}) {
        const auto path = sqlite_path(bad);
        ASSERT_FALSE(path) << bad;
        EXPECT_NE(path.error().message.find("sqlite:///absolute/path"), std::string::npos);
    }
}

TEST_F(StoreTest, MakesAnEmptyTableThatRunbooksKnow) {
    EXPECT_TRUE(rows().empty());
    sql("insert into dispatcher (setid, destination, description) values (2, 'sip:10.0.0.7', "
        "'gw')");
    const auto got = rows();
    ASSERT_EQ(got.size(), 1u);
    EXPECT_EQ(got[0].id, 1);
    EXPECT_EQ(got[0].origin, "dispatcher row 1");
    EXPECT_EQ(got[0].setid, 2);
    EXPECT_EQ(got[0].destination, "sip:10.0.0.7");
    EXPECT_EQ(got[0].flags, 0);
    EXPECT_EQ(got[0].attrs, "");
    EXPECT_EQ(got[0].description, "gw");
    EXPECT_EQ(open(Store::Mode::kReadOnly)->rows()->at(0).description, "");
}

// Spec 3.5: the version decides how many columns are read.
TEST_F(StoreTest, VersionsDecideTheColumns) {
    rows();
    sql("insert into dispatcher (setid,destination,flags,priority,attrs) values "
        "(1,'sip:h',8,5,'a=b')");
    const auto read_as = [&](int version) {
        sql("update version set table_version=" + std::to_string(version) +
            " where table_name='dispatcher'");
        return rows().at(0);
    };
    EXPECT_EQ(read_as(1).flags, 0);
    EXPECT_EQ(read_as(2).flags, 8);
    EXPECT_EQ(read_as(2).priority, 0);
    EXPECT_EQ(read_as(3).priority, 5);
    EXPECT_EQ(read_as(3).attrs, "");
    EXPECT_EQ(read_as(4).attrs, "a=b");
    sql("update version set table_version=5 where table_name='dispatcher'");
    EXPECT_EQ(open_error(),
              "database " + path_ + ": table dispatcher has version 5, supported are 1 to 4");
    sql("delete from version where table_name='dispatcher'");
    EXPECT_EQ(open_error(),
              "database " + path_ +
                  ": table version has no row for dispatcher: insert its version (1 to 4)");
}

TEST_F(StoreTest, OtherNames) {
    config_.table_name = "my \"gateways\"";
    config_.setid_col = "grp";
    config_.attrs_col = "order";  // a keyword
    rows();
    sql("insert into \"my \"\"gateways\"\"\" (grp,destination,\"order\") values (3,'sip:h','x=y')");
    const auto got = rows();
    ASSERT_EQ(got.size(), 1u);
    EXPECT_EQ(got[0].setid, 3);
    EXPECT_EQ(got[0].attrs, "x=y");

    // A column that is not there is an error, not the text of its name.
    config_.setid_col = "nosuch";
    const auto missing = open()->rows();
    ASSERT_FALSE(missing);
    EXPECT_NE(missing.error().message.find("no such column: nosuch"), std::string::npos)
        << missing.error().message;
}

TEST_F(StoreTest, ExtraAttributes) {
    rows();
    sql("alter table dispatcher add column region varchar(8);"
        "alter table dispatcher add column cap integer;"
        "insert into dispatcher (setid,destination,attrs,region,cap) values "
        "(1,'sip:a','x=1','eu',7);"
        "insert into dispatcher (setid,destination,attrs,region) values (1,'sip:b','','us');"
        "insert into dispatcher (setid,destination,attrs) values (1,'sip:c','y=2;');");
    config_.ds_db_extra_attrs = "reg=region;maxload=cap";
    const auto got = rows();
    ASSERT_EQ(got.size(), 3u);
    EXPECT_EQ(got[0].attrs, "x=1;reg=eu;maxload=7;");
    EXPECT_EQ(got[1].attrs, "reg=us;");
    EXPECT_EQ(got[2].attrs, "y=2;");
    config_.ds_db_extra_attrs = "reg";
    EXPECT_EQ(open_error(), "ds_db_extra_attrs: \"reg\" is not name=column");
}

TEST_F(StoreTest, TextWhereANumberBelongs) {
    rows();
    sql("insert into dispatcher (setid,destination) values ('one','sip:a')");
    EXPECT_EQ(rows().at(0).problem, "setid \"one\" is not an integer");
    // What the shell's .import makes of an empty field.
    sql("insert into dispatcher (setid,destination,flags,priority) values (1,'sip:b','','')");
    EXPECT_EQ(rows().at(1).problem, "");
    EXPECT_EQ(rows().at(1).flags, 0);
    EXPECT_EQ(rows().at(1).priority, 0);
}

// Recorded from Kamailio 5.6.3: a view keeps its order, and an index that holds all columns read
// gives its own.
TEST_F(StoreTest, OrderOfRows) {
    const auto order = [&] {
        std::string out;
        const auto table = open()->table();
        for (std::size_t i = 0; i < table->size(); ++i) out += (*table)[i].destination.substr(4);
        return out;
    };
    rows();
    sql("insert into dispatcher (setid,destination) values (1,'sip:c'),(1,'sip:a'),(1,'sip:b')");
    EXPECT_EQ(order(), "cab");
    EXPECT_EQ(open()->table()->origin(1), "dispatcher row 2");
    sql("create index whole on dispatcher (setid,destination,flags,priority,attrs)");
    EXPECT_EQ(order(), "abc");
    EXPECT_EQ(open()->table()->origin(0), "dispatcher row 2");
    sql("drop index whole; alter table dispatcher rename to all_rows;"
        "create view dispatcher as select * from all_rows order by id desc");
    EXPECT_EQ(order(), "bac");
    EXPECT_EQ(open()->table()->origin(0), "a row of dispatcher");
}

TEST_F(StoreTest, InsertAndRemove) {
    auto store = open();
    DestinationRow row;
    row.setid = 4;
    row.destination = "sip:o'brien@h";
    row.flags = 8;
    row.priority = -2;
    row.attrs = "duid=x";
    row.description = "it's";
    EXPECT_EQ(store->insert(row).value(), 1);
    EXPECT_EQ(store->insert(row).value(), 2);
    ASSERT_TRUE(store->remove(1));
    const auto again = store->remove(1);
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().message, "table dispatcher has no row 1");
    const auto got = rows();
    ASSERT_EQ(got.size(), 1u);
    EXPECT_EQ(got[0].destination, row.destination);
    EXPECT_EQ(got[0].priority, -2);
    EXPECT_EQ(got[0].description, row.description);
}

TEST_F(StoreTest, NotADatabase) {
    std::ofstream(path_) << std::string(5000, 'x');
    EXPECT_EQ(open_error(),
              "database " + path_ + ": file is not a database (this file is something else)");
}

TEST_F(StoreTest, Corrupt) {
    rows();
    std::string values;
    for (int i = 0; i < 2000; ++i) values += i == 0 ? "(1,'sip:h')" : ",(1,'sip:h')";
    sql("insert into dispatcher (setid,destination) values " + values);
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(12288);
    file << std::string(20000, '\xff');
    file.close();
    auto store = open();
    const auto got = store ? store->rows() : tl::make_unexpected(store.error());
    ASSERT_FALSE(got);
    EXPECT_NE(got.error().message.find("malformed"), std::string::npos) << got.error().message;
    EXPECT_TRUE(got.error().message.starts_with("database " + path_));
}

TEST_F(StoreTest, MissingFileOrFolder) {
    EXPECT_NE(open_error(Store::Mode::kReadOnly).find("unable to open database file"),
              std::string::npos);
    EXPECT_FALSE(fs::exists(path_));
    config_.db_url = "sqlite://" + (folder_ / "no" / "such" / "x.db").string();
    EXPECT_NE(open_error().find("check that folder and file exist"), std::string::npos);
}

TEST_F(StoreTest, LockedByAnotherProgram) {
    rows();
    sqlite3* other = nullptr;
    ASSERT_EQ(sqlite3_open(path_.c_str(), &other), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(other, "BEGIN EXCLUSIVE", nullptr, nullptr, nullptr), SQLITE_OK);
    const std::string error = open_error();
    sqlite3_close(other);
    EXPECT_NE(error.find("database is locked (another program holds the database"),
              std::string::npos)
        << error;
    EXPECT_TRUE(rows().empty());
}

TEST_F(StoreTest, ADroppedTableIsReported) {
    auto store = open();
    sql("drop table dispatcher");
    const auto got = store->rows();
    ASSERT_FALSE(got);
    EXPECT_NE(got.error().message.find("no such table: dispatcher"), std::string::npos);

    auto again = open(Store::Mode::kExisting);
    ASSERT_TRUE(again);
    EXPECT_FALSE(again->rows()) << "it is not made anew";
}

TEST_F(StoreTest, AViewHasRowsWithoutIds) {
    rows();
    sql("insert into dispatcher (setid,destination) values (1,'sip:a'),(2,'sip:b');"
        "create view gws as select 5 as setid, destination, flags, priority, attrs from dispatcher "
        "where setid=2;insert into version (table_name,table_version) values ('gws',4)");
    config_.table_name = "gws";
    const auto got = open(Store::Mode::kReadOnly)->rows();
    ASSERT_TRUE(got) << got.error().message;
    ASSERT_EQ(got->size(), 1u);
    EXPECT_EQ(got->at(0).setid, 5);
    EXPECT_EQ(got->at(0).destination, "sip:b");
}

}  // namespace
}  // namespace lb::cp
